import { Button, NativeSelect, SegmentedControl, TextInput } from '@mantine/core'
import { useEffect, useMemo, useState, type FormEvent } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useWords } from '@/i18n'
import { span } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Page } from '@/shared/Page.tsx'
import { latenessOf, StatusBadge } from '@/shared/StatusBadge.tsx'
import { useNow, When } from '@/shared/When.tsx'
import { numberOf, Xid } from '@/shared/Xid.tsx'
import { filterOf, paramsOf, statuses, type RunFilter } from './filter.ts'
import classes from './runs.module.css'
import { words } from './words.ts'

type Item = Schemas['SagaRunItem']

/** Runs lists the runs of sagas. What is asked for stands in the address. */
export default function Runs() {
  const t = useWords(words)
  const [search, setSearch] = useSearchParams()
  const filter = filterOf(search)
  const set = (next: RunFilter) => setSearch(paramsOf(next))
  return (
    <Page
      title={t('runs')}
      text={t('listText')}
      actions={
        <Button component={Link} to="/sagas" variant="default">
          {t('definitions')}
        </Button>
      }
    >
      <section className="card" aria-label={t('runs')}>
        <Filters filter={filter} set={set} />
        <RunTable filter={filter} onClear={() => set({})} />
      </section>
    </Page>
  )
}

function Filters({ filter, set }: { filter: RunFilter; set: (next: RunFilter) => void }) {
  const t = useWords(words)
  const [saga, setSaga] = useState(filter.saga ?? '')
  const [key, setKey] = useState(filter.key ?? '')
  useEffect(() => {
    setSaga(filter.saga ?? '')
    setKey(filter.key ?? '')
  }, [filter.saga, filter.key])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const next = { ...filter, saga: saga.trim(), key: key.trim() }
    const changed = next.saga !== (filter.saga ?? '') || next.key !== (filter.key ?? '')
    if (changed && (next.saga || !next.key)) set(next)
  }
  const which = (['stuck', 'late', 'live'] as const).find((name) => filter[name]) ?? 'all'
  const choose = (value: string) =>
    set({ ...filter, stuck: value === 'stuck', live: value === 'live', late: value === 'late' })
  return (
    <form className={classes['filters']} onSubmit={submit} onBlur={submit}>
      <SegmentedControl
        size="sm"
        value={which}
        onChange={choose}
        aria-label={t('status')}
        data={(['all', 'live', 'stuck', 'late'] as const).map((value) => ({ value, label: t(value) }))}
      />
      <TextInput
        aria-label={t('find')}
        placeholder={t('find')}
        value={saga}
        data-search
        onChange={(event) => setSaga(event.currentTarget.value)}
      />
      <TextInput
        aria-label={t('keyFind')}
        placeholder={t('keyFind')}
        value={key}
        error={key && !saga ? t('keyNeedsSaga') : undefined}
        onChange={(event) => setKey(event.currentTarget.value)}
      />
      <NativeSelect
        aria-label={t('status')}
        value={filter.status ?? ''}
        onChange={(event) => set({ ...filter, status: event.currentTarget.value })}
        data={[{ value: '', label: t('anyStatus') }, ...statuses.map((each) => ({ value: each, label: each }))]}
      />
      <button type="submit" hidden />
    </form>
  )
}

/** RunTable is the list itself; the page of a definition has it, too. */
export function RunTable(props: {
  filter: RunFilter
  onClear?: () => void
  height?: string
  noSaga?: boolean
}) {
  const t = useWords(words)
  const { filter, onClear, height, noSaga } = props
  const navigate = useNavigate()
  const query = Object.fromEntries(paramsOf(filter))
  const pages = usePages<Item>({
    key: ['runs', query],
    every: 3000,
    load: (cursor, signal) =>
      ask(
        api.GET('/api/v1/sagas/runs', {
          params: { query: { ...query, limit: 50, ...(cursor ? { cursor } : {}) } as never },
          signal,
        }),
      ) as Promise<{ items: Item[]; next?: string }>,
  })
  const columns = useColumns(noSaga === true)
  const asked = Object.keys(query).length > 0
  return (
    <DataTable
      label={t('runs')}
      rows={pages.rows}
      rowId={(run) => run.xid ?? ''}
      columns={columns}
      loading={pages.loading}
      error={pages.error}
      onRetry={pages.onRetry}
      more={pages.more}
      loadingMore={pages.loadingMore}
      onMore={pages.onMore}
      onOpen={(run) => void navigate(`/runs/${numberOf(run.xid ?? '')}`)}
      {...(height ? { height } : {})}
      empty={
        <Empty title={t(asked ? 'noneFit' : 'none')} text={t(asked ? 'noneFitText' : 'noneText')}>
          {asked && onClear && (
            <Button variant="default" onClick={onClear}>
              {t('clear')}
            </Button>
          )}
        </Empty>
      }
    />
  )
}

function useColumns(noSaga: boolean): Column<Item>[] {
  const t = useWords(words)
  return useMemo(() => {
    const columns: Column<Item>[] = [
      {
        id: 'xid',
        header: t('id'),
        width: '205px',
        cell: (run) => <Xid xid={run.xid ?? ''} to={`/runs/${numberOf(run.xid ?? '')}`} />,
      },
      { id: 'status', header: t('status'), width: '215px', cell: (run) => <StatusBadge {...marks(run)} /> },
      {
        id: 'saga',
        header: t('saga'),
        width: 'minmax(150px, 1.2fr)',
        cell: (run) => (
          <Link to={`/sagas/${encodeURIComponent(run.saga ?? '')}?version=${run.version}`}>
            {run.saga}@{run.version}
          </Link>
        ),
      },
      {
        id: 'key',
        header: t('key'),
        width: 'minmax(90px, 1fr)',
        cell: (run) => <span className="mono">{run.key}</span>,
      },
      { id: 'application', header: t('application'), width: '120px', cell: (run) => run.application },
      { id: 'began', header: t('began'), width: '130px', cell: (run) => <When at={run.beganAt} /> },
      { id: 'took', header: t('took'), width: '116px', align: 'right', cell: (run) => <Took run={run} /> },
      {
        id: 'failure',
        header: t('failure'),
        width: 'minmax(180px, 2.5fr)',
        cell: (run) => <span title={run.failure}>{run.failure}</span>,
      },
    ]
    return columns.filter((column) => !noSaga || column.id !== 'saga')
  }, [t, noSaga])
}

function marks(run: Item) {
  return { status: run.status, stuck: run.stuck, heuristic: run.heuristic, late: latenessOf(run) }
}

/** Took is how long a run took, or how old it is if it goes on. */
function Took({ run }: { run: Item }) {
  const now = useNow()
  if (!run.beganAt) return null
  const began = Date.parse(run.beganAt)
  return run.endedAt ? (
    <span>{span(Date.parse(run.endedAt) - began)}</span>
  ) : (
    <span className={classes['age']}>{span(Math.max(0, now - began))}</span>
  )
}
