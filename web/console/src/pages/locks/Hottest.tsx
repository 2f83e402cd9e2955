import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useMemo } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords, type Say } from '@/i18n'
import { count, span } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { When } from '@/shared/When.tsx'
import { Xid } from '@/shared/Xid.tsx'
import { bars, rowText } from './graph.ts'
import classes from './locks.module.css'
import { words, type Word } from './words.ts'

const Chart = lazy(() => import('@/shared/Chart.tsx'))

type Hot = Schemas['HotLock']

const lines = ['--c-bad', '--c-warn', '--c-work', '--c-undo', '--c-good'] as const

/** Hottest ranks rows by how often somebody met them locked, and shows when. */
export function Hottest() {
  const t = useWords(words)
  const query = useQuery({
    queryKey: ['locks', 'hottest'],
    queryFn: ({ signal }) =>
      ask(api.GET('/api/v1/locks/hottest', { params: { query: { limit: 100 } }, signal })),
    refetchInterval: 3000,
  })
  const data = query.data
  const items = useMemo(() => data?.items ?? [], [data])
  const most = Math.max(0, ...items.flatMap((item) => item.series ?? []))
  const window = span(data?.windowMs ?? 0)
  const columns = useMemo(() => columnsOf(t, most, window), [t, most, window])
  if (query.isPending) return <Loading rows={6} />
  if (!data) return <ErrorBox error={query.error} retry={() => void query.refetch()} />
  const values = { span: span(data.spanMs ?? 0), node: data.node ?? '' }
  return (
    <>
      {query.error && <ErrorBox error={query.error} stale />}
      {data.partial && <p className={classes['partial']}>{t('partial')}</p>}
      {items.length > 0 && <p className={classes['help']}>{t('hotText', values)}</p>}
      {items.length > 0 && <Over data={data} items={items.slice(0, lines.length)} window={window} />}
      <DataTable
        label={t('hottest')}
        rows={items}
        rowId={(item) => `${item.resource} ${item.table} ${item.pk}`}
        columns={columns}
        empty={<Empty title={t('hotNone')} text={t('hotNoneHelp', values)} />}
      />
    </>
  )
}

function Over({ data, items, window }: { data: Schemas['HotLocks']; items: readonly Hot[]; window: string }) {
  const t = useWords(words)
  const n = items[0]?.series?.length ?? 0
  const end = Date.parse(data.at ?? '') / 1000
  const step = (data.windowMs ?? 1000) / 1000
  if (n < 2 || Number.isNaN(end)) return null
  const times = Array.from({ length: n }, (_, i) => end - (n - 1 - i) * step)
  return (
    <div className={classes['chart']}>
      <Suspense fallback={<Loading rows={4} />}>
        <Chart
          label={t('chart', { window })}
          height={180}
          data={[times, ...items.map((item) => [...(item.series ?? [])])]}
          lines={items.map((item, i) => ({
            label: rowText(item),
            color: lines[i]!,
            ...(i === 0 ? { fill: true } : {}),
            ...(i > 2 ? { dash: [4, 3] } : {}),
          }))}
          format={(value) => count(Math.round(value))}
        />
      </Suspense>
    </div>
  )
}

function Bars({
  series,
  most,
  window,
}: {
  series: readonly number[] | undefined
  most: number
  window: string
}) {
  const t = useWords(words)
  const heights = bars(series, most)
  const total = (series ?? []).reduce((sum, n) => sum + n, 0)
  const label = t('series', { total: count(total), most: count(Math.max(0, ...(series ?? []))), window })
  return (
    <svg
      className={classes['bars']}
      viewBox={`0 0 ${Math.max(1, heights.length) * 8} 22`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <title>{label}</title>
      {heights.map((h, i) => (
        <rect key={i} x={i * 8} y={22 - Math.max(1, h * 22)} width={6} height={Math.max(1, h * 22)} />
      ))}
    </svg>
  )
}

function columnsOf(t: Say<Word>, most: number, window: string): readonly Column<Hot>[] {
  return [
    {
      id: 'row',
      header: t('row'),
      width: 'minmax(170px, 2fr)',
      cell: (item) => (
        <span title={item.resource}>
          <span className="mono">{rowText(item)}</span> <span className="dim">{item.resource}</span>
        </span>
      ),
    },
    {
      id: 'conflicts',
      header: t('conflicts'),
      width: '92px',
      align: 'right',
      cell: (item) => `${item.over ? '≤ ' : ''}${count(item.conflicts ?? 0)}`,
    },
    {
      id: 'series',
      header: t('overTime'),
      width: '150px',
      cell: (item) => <Bars series={item.series} most={most} window={window} />,
    },
    {
      id: 'waited',
      header: t('waited'),
      width: '104px',
      align: 'right',
      cell: (item) => span(item.waitedMs ?? 0),
    },
    {
      id: 'longest',
      header: t('longest'),
      width: '92px',
      align: 'right',
      cell: (item) => span(item.longestMs ?? 0),
    },
    { id: 'now', header: t('now'), width: '104px', align: 'right', cell: (item) => count(item.waiters ?? 0) },
    {
      id: 'holder',
      header: t('lastHolder'),
      width: '210px',
      cell: (item) => (item.holder ? <Xid xid={item.holder} /> : <span className="dim">–</span>),
    },
    { id: 'last', header: t('last'), width: '120px', cell: (item) => <When at={item.lastAt} /> },
  ]
}
