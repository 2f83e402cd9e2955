import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useMemo } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords, type Say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { Xid } from '@/shared/Xid.tsx'
import { rowText } from './graph.ts'
import classes from './locks.module.css'
import { words, type Word } from './words.ts'

const Drawing = lazy(() => import('./Drawing.tsx'))

type Edge = Schemas['LockEdge']

/** More waits than these are listed alone: nobody reads such a drawing, and it takes its time. */
const drawnMost = 200

/** Graph draws who waits for whom, and lists the same. */
export function Graph() {
  const t = useWords(words)
  const query = useQuery({
    queryKey: ['locks', 'graph'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/locks/graph', { signal })),
    refetchInterval: 1500,
  })
  const columns = useMemo(() => columnsOf(t), [t])
  const graph = query.data
  if (query.isPending) return <Loading rows={6} />
  if (!graph) return <ErrorBox error={query.error} retry={() => void query.refetch()} />
  const edges = graph.edges ?? []
  const cycles = graph.cycles?.length ?? 0
  if (edges.length === 0) {
    return (
      <>
        {query.error && <ErrorBox error={query.error} stale />}
        {graph.partial && <p className={classes['partial']}>{t('partial')}</p>}
        <Empty title={t('graphNone')} text={t('graphNoneHelp')} />
      </>
    )
  }
  const label = t('graphLabel', {
    nodes: count(graph.nodes?.length ?? 0),
    edges: count(graph.edgeCount ?? edges.length),
    cycles: count(cycles),
  })
  return (
    <>
      {query.error && <ErrorBox error={query.error} stale />}
      {graph.partial && <p className={classes['partial']}>{t('partial')}</p>}
      <p className={classes['cycles']} role="status">
        {cycles > 0 ? (
          <Mark tone="bad" text={cycles === 1 ? t('cycle1') : t('cycles', { n: count(cycles) })} />
        ) : (
          <Mark tone="good" text={t('noCycle')} />
        )}
        {(graph.edgeCount ?? 0) > edges.length && (
          <span className="dim">
            {t('shownOf', { n: count(edges.length), all: count(graph.edgeCount ?? 0) })}
          </span>
        )}
      </p>
      {edges.length <= drawnMost && (
        <Suspense fallback={<Loading rows={6} />}>
          <Drawing graph={graph} label={label} />
        </Suspense>
      )}
      <DataTable
        label={t('waits')}
        rows={edges}
        rowId={(edge) => `${edge.waiter} ${edge.row?.resource} ${edge.row?.table} ${edge.row?.pk}`}
        columns={columns}
        height={edges.length > 12 ? '380px' : 'auto'}
      />
    </>
  )
}

function columnsOf(t: Say<Word>): readonly Column<Edge>[] {
  return [
    {
      id: 'waiter',
      header: t('waiter'),
      width: 'minmax(190px, 1fr)',
      cell: (e) => <Xid xid={e.waiter ?? ''} />,
    },
    {
      id: 'row',
      header: t('waitedFor'),
      width: 'minmax(160px, 1fr)',
      cell: (e) => (
        <span className="mono" title={e.row?.resource}>
          {rowText(e.row)}
        </span>
      ),
    },
    {
      id: 'holder',
      header: t('heldBy'),
      width: 'minmax(190px, 1fr)',
      cell: (e) => <Xid xid={e.holder ?? ''} />,
    },
    { id: 'since', header: t('since'), width: '120px', cell: (e) => <When at={e.since} /> },
    {
      id: 'cycle',
      header: '',
      width: '120px',
      cell: (e) => e.inCycle && <Mark tone="bad" text={t('inCycle')} />,
    },
  ]
}
