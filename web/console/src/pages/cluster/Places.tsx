import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { words } from './words.ts'

type Place = Schemas['Place']

/** Applications lists who begins and takes part, over all nodes. */
export function Applications() {
  const t = useWords(words)
  const all = useQuery({
    queryKey: ['applications'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/applications', { signal })),
    refetchInterval: 5000,
  })
  return <Places label={t('applications')} others={t('ofApplication')} query={all} />
}

/** Resources lists the databases and participants that are registered. */
export function Resources() {
  const t = useWords(words)
  const all = useQuery({
    queryKey: ['resources'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/resources', { signal })),
    refetchInterval: 5000,
  })
  return <Places label={t('resources')} others={t('ofResource')} query={all} />
}

interface Answered {
  data?: { items?: Place[] } | undefined
  isPending: boolean
  error: unknown
  refetch: () => unknown
}

function Places({ label, others, query }: { label: string; others: string; query: Answered }) {
  const t = useWords(words)
  const columns = useMemo<readonly Column<Place>[]>(
    () => [
      {
        id: 'name',
        header: t('name'),
        width: 'minmax(220px, 2fr)',
        cell: (p) => <span className="mono">{p.name}</span>,
      },
      {
        id: 'clients',
        header: t('clients'),
        width: '120px',
        align: 'right',
        cell: (p) => count(p.clients ?? 0),
      },
      { id: 'versions', header: t('versions'), width: '150px', cell: (p) => (p.versions ?? []).join(', ') },
      { id: 'nodes', header: t('onNodes'), width: 'minmax(150px, 1fr)', cell: (p) => list(p.nodes) },
      { id: 'others', header: others, width: 'minmax(200px, 2fr)', cell: (p) => list(p.others) },
    ],
    [t, others],
  )
  return (
    <DataTable
      label={label}
      rows={query.data?.items ?? []}
      rowId={(place) => place.name ?? ''}
      columns={columns}
      loading={query.isPending}
      error={query.error}
      onRetry={() => void query.refetch()}
      empty={<Empty title={t('placesNone')} />}
    />
  )
}

function list(names: readonly string[] | undefined) {
  const text = (names ?? []).join(', ')
  return (
    <span className="mono" title={text}>
      {text}
    </span>
  )
}
