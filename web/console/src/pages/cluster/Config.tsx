import { Checkbox, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useMay } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import classes from './cluster.module.css'
import { words } from './words.ts'

type Entry = Schemas['ConfigEntry']

/** matching returns the settings that a search finds, in their order. */
export function matching(entries: readonly Entry[], search: string, changed: boolean): readonly Entry[] {
  const wanted = search.trim().toLowerCase().split(/\s+/).filter(Boolean)
  return entries.filter((entry) => {
    const text = `${entry.key} ${entry.value} ${entry.doc}`.toLowerCase()
    return (!changed || !entry.default) && wanted.every((word) => text.includes(word))
  })
}

/** Config shows what the node that answers is configured with. Secrets are not shown by the server. */
export function Config() {
  const t = useWords(words)
  const admin = useMay('admin')
  const [query, setQuery] = useSearchParams()
  const search = query.get('find') ?? ''
  const changed = query.get('changed') === 'true'
  const config = useQuery({
    queryKey: ['config'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/config', { signal })),
    enabled: admin,
    staleTime: 60_000,
  })
  const rows = useMemo(
    () => matching(config.data?.items ?? [], search, changed),
    [config.data, search, changed],
  )
  const columns = useColumns()
  if (!admin) return <Empty title={t('configAdmin')} />
  const put = (name: string, value: string) =>
    setQuery(
      (was) => {
        if (value) was.set(name, value)
        else was.delete(name)
        return was
      },
      { replace: true },
    )
  return (
    <>
      <div className={classes['find']}>
        <TextInput
          aria-label={t('configSearch')}
          placeholder={t('configSearch')}
          value={search}
          data-search
          onChange={(event) => put('find', event.currentTarget.value)}
          className={classes['findText']!}
        />
        <Checkbox
          label={t('configChanged')}
          checked={changed}
          onChange={(event) => put('changed', event.currentTarget.checked ? 'true' : '')}
        />
      </div>
      <DataTable
        label={t('config')}
        rows={rows}
        rowId={(entry) => entry.key ?? ''}
        columns={columns}
        loading={config.isPending}
        error={config.error}
        onRetry={() => void config.refetch()}
        empty={<Empty title={t('configNone')} />}
      />
    </>
  )
}

function useColumns(): readonly Column<Entry>[] {
  const t = useWords(words)
  return useMemo(
    () => [
      {
        id: 'key',
        header: t('key'),
        width: 'minmax(180px, 260px)',
        cell: (e) => <span className="mono">{e.key}</span>,
      },
      {
        id: 'value',
        header: t('value'),
        width: 'minmax(140px, 1fr)',
        cell: (e) =>
          e.value ? (
            <span className="mono" title={e.value}>
              {e.value}
            </span>
          ) : (
            <span className="dim">{t('unset')}</span>
          ),
      },
      {
        id: 'source',
        header: '',
        width: '100px',
        cell: (e) =>
          e.default ? <span className="dim">{t('byDefault')}</span> : <Mark tone="work" text={t('set')} />,
      },
      {
        id: 'meaning',
        header: t('meaning'),
        width: 'minmax(240px, 3fr)',
        cell: (e) => <span title={e.doc}>{e.doc}</span>,
      },
    ],
    [t],
  )
}
