import { Button, NativeSelect, Switch, TextInput } from '@mantine/core'
import { useMemo, useState, type ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import { api, ask } from '@/api/client.ts'
import { useFeed } from '@/api/feed.ts'
import { usePages } from '@/api/pages.ts'
import { useWords, type Say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { LiveMark } from '@/shared/LiveMark.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { Xid } from '@/shared/Xid.tsx'
import { One } from './One.tsx'
import classes from './decisions.module.css'
import { dataOf, decisionOf, placeOf, placeText, type CloudEvent, type Decision } from './feed.ts'
import { words } from './words.ts'

type Word = keyof (typeof words)['en']

const ranges = ['15m', '1h', '24h'] as const

/** Log browses the decisions by transaction, outcome and time, or follows them as they come. */
export function Log() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const live = query.get('live') === 'true'
  const [paused, setPaused] = useState(false)
  const [opened, setOpened] = useState<Decision>()
  const feed = useFeed<CloudEvent, Decision>(live ? '/api/v1/decisions/stream' : '', paused, decisionOf)
  const wanted = useWanted(query)
  const pages = usePages<Decision>({
    key: ['decisions', wanted],
    load: (cursor, signal) =>
      ask(
        api.GET('/api/v1/decisions', {
          params: {
            query: {
              ...wanted,
              order: wanted.from ? 'oldest' : 'newest',
              limit: 100,
              ...(cursor ? { cursor } : {}),
            },
          },
          signal,
        }),
      ),
    enabled: !live,
  })
  const columns = useMemo(() => columnsOf(t), [t])
  const put = (name: string, value: string) =>
    setQuery(
      (was) => {
        if (value) was.set(name, value)
        else was.delete(name)
        return was
      },
      { replace: true },
    )
  const bar = (
    <Bar query={query} put={put} live={live}>
      {live && (
        <>
          <LiveMark state={feed.state} />
          <Button size="xs" variant="default" onClick={() => setPaused(!paused)}>
            {paused ? t('goOn', { n: count(feed.waiting) }) : t('pause')}
          </Button>
        </>
      )}
    </Bar>
  )
  const table = live
    ? { rows: feed.rows, empty: <Empty title={t('noneLive')} text={t('following')} /> }
    : { ...pages, empty: <Empty title={t('none')} text={t('noneHelp')} /> }
  return (
    <>
      {bar}
      {feed.gap && <p className={classes['gap']}>{t('gap', { queue: String(feed.gap.queue ?? '') })}</p>}
      <DataTable
        label={t('log')}
        rowId={(row: Decision) =>
          `${row.xid} ${row.topic ?? ''} ${row.broker ?? ''} ${row.offset ?? ''} ${row.at ?? ''}`
        }
        columns={columns}
        onOpen={setOpened}
        {...table}
      />
      {opened && <One decision={opened} onClose={() => setOpened(undefined)} />}
    </>
  )
}

/** useWanted reads the filter from the address. */
function useWanted(query: URLSearchParams) {
  const xid = query.get('xid') ?? ''
  const outcome = query.get('outcome')
  const since = query.get('since') ?? ''
  const from = query.get('from') ?? ''
  return useMemo(
    () => ({
      ...(xid ? { xid } : {}),
      ...(outcome === 'commit' || outcome === 'rollback' ? { outcome: outcome as 'commit' | 'rollback' } : {}),
      ...(since ? { since } : {}),
      ...(from ? { from } : {}),
    }),
    [xid, outcome, since, from],
  )
}

interface BarProps {
  query: URLSearchParams
  put: (name: string, value: string) => void
  live: boolean
  children: ReactNode
}

function Bar({ query, put, live, children }: BarProps) {
  const t = useWords(words)
  const range = (value: (typeof ranges)[number]) =>
    value === '15m' ? t('lastMinutes', { n: 15 }) : t('lastHours', { n: value === '1h' ? 1 : 24 })
  return (
    <div className={classes['bar']}>
      <TextInput
        aria-label={t('xidFind')}
        placeholder={t('xidFind')}
        size="xs"
        data-search
        disabled={live}
        className={classes['find']!}
        defaultValue={query.get('xid') ?? ''}
        onKeyDown={(event) => event.key === 'Enter' && put('xid', event.currentTarget.value.trim())}
        onBlur={(event) => put('xid', event.currentTarget.value.trim())}
      />
      <NativeSelect
        aria-label={t('outcome')}
        size="xs"
        disabled={live}
        value={query.get('outcome') ?? ''}
        onChange={(event) => put('outcome', event.currentTarget.value)}
        data={[
          { value: '', label: `${t('outcome')}: ${t('any')}` },
          { value: 'commit', label: t('commit') },
          { value: 'rollback', label: t('rollback') },
        ]}
      />
      <NativeSelect
        aria-label={t('since')}
        size="xs"
        disabled={live}
        value={query.get('since') ?? ''}
        onChange={(event) => put('since', event.currentTarget.value)}
        data={[{ value: '', label: t('anyTime') }, ...ranges.map((value) => ({ value, label: range(value) }))]}
      />
      <TextInput
        aria-label={t('fromFind')}
        placeholder={t('fromFind')}
        title={t('fromHelp')}
        size="xs"
        disabled={live}
        className={classes['from']!}
        defaultValue={query.get('from') ?? ''}
        onKeyDown={(event) => event.key === 'Enter' && put('from', placeText(event.currentTarget.value))}
        onBlur={(event) => put('from', placeText(event.currentTarget.value))}
      />
      <span className={classes['live']}>
        {children}
        <Switch
          label={t('follow')}
          checked={live}
          onChange={(event) => put('live', event.currentTarget.checked ? 'true' : '')}
        />
      </span>
    </div>
  )
}

function columnsOf(t: Say<Word>): readonly Column<Decision>[] {
  return [
    { id: 'at', header: t('at'), width: '150px', cell: (row) => <When at={row.at} /> },
    { id: 'xid', header: t('xid'), width: '210px', cell: (row) => <Xid xid={row.xid ?? ''} /> },
    {
      id: 'outcome',
      header: t('outcome'),
      width: '120px',
      cell: (row) =>
        row.outcome && <Mark tone={row.outcome === 'commit' ? 'good' : 'undo'} text={t(row.outcome)} />,
    },
    { id: 'cause', header: t('cause'), width: '110px', cell: (row) => dataOf(row).cause },
    {
      id: 'application',
      header: t('application'),
      width: 'minmax(160px, 1fr)',
      cell: (row) => (
        <>
          <span className="dim">{dataOf(row).application}</span> {dataOf(row).name}
        </>
      ),
    },
    {
      id: 'branches',
      header: t('branches'),
      width: '90px',
      align: 'right',
      cell: (row) => count(dataOf(row).branches?.length ?? 0),
    },
    {
      id: 'place',
      header: t('place'),
      width: 'minmax(200px, 1fr)',
      cell: (row) => <span className="mono">{placeOf(row)}</span>,
    },
  ]
}
