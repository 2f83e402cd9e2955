import { Button, Menu, SegmentedControl } from '@mantine/core'
import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useLanguage, useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { Section } from '@/shared/Page.tsx'
import { Mark, StatusBadge, type Tone } from '@/shared/StatusBadge.tsx'
import { words as shared } from '@/shared/words.ts'
import { numberOf, RowXid } from '@/shared/Xid.tsx'
import classes from './jobs.module.css'
import {
  lookAgainMs,
  numbersOf,
  results,
  resultTones,
  standingsOf,
  type Job,
  type JobItem,
  type Result,
  type Standing,
} from './progress.ts'
import { words, type Word } from './words.ts'

type Detail = Schemas['TransactionDetail']

const names: Readonly<Record<Result, Word>> = {
  done: 'resultDone',
  moved: 'resultMoved',
  failed: 'resultFailed',
  pending: 'resultPending',
}

/** Items are the transactions of a job with what became of each; which are shown is in the address. */
export function Items({ job }: { job: Job }) {
  const t = useWords(words)
  const language = useLanguage()
  const navigate = useNavigate()
  const [params, setParams] = useSearchParams()
  const result = results.find((each) => each === params.get('result'))
  const list = usePages<JobItem>({
    key: ['job-items', job.id, result],
    load: (cursor, signal) =>
      ask(
        api.GET('/api/v1/jobs/{job}/items', {
          params: {
            path: { job: job.id ?? '' },
            query: { ...(cursor && { cursor }), ...(result && { result }) },
          },
          signal,
        }),
      ),
    every: job.state === 'running' ? 2000 : false,
  })
  // The last results come with the end of the job, after which nobody asks for them any more.
  const client = useQueryClient()
  const { id, state } = job
  useEffect(() => void client.invalidateQueries({ queryKey: ['job-items', id] }), [client, id, state])
  const columns = useMemo<readonly Column<JobItem>[]>(
    () => [
      { id: 'xid', header: t('colXid'), width: '200px', cell: (item) => <RowXid xid={item.xid ?? ''} /> },
      {
        id: 'result',
        header: t('colResult'),
        width: '150px',
        cell: (item) => (
          <Mark
            tone={resultTones[item.result ?? 'pending']}
            text={t(names[item.result ?? 'pending'])}
            help={
              item.result === 'moved'
                ? t('resultMovedHelp')
                : item.result === 'done'
                  ? t('resultDoneHelp')
                  : undefined
            }
          />
        ),
      },
      { id: 'now', header: t('colNow'), width: '230px', cell: (item) => <NowCell xid={item.xid ?? ''} /> },
      {
        id: 'why',
        header: t('colWhy'),
        width: 'minmax(200px, 1fr)',
        cell: (item) => (
          <span className={classes['why']} title={item.detail}>
            {item.detail} {item.code && <span className="mono dim">{item.code}</span>}
          </span>
        ),
      },
    ],
    // oxlint-disable-next-line react-hooks/exhaustive-deps
    [language],
  )
  const numbers = numbersOf(job)
  const tabs = [
    { value: '', label: <Tab text={t('all')} n={job.total ?? 0} /> },
    ...results.map((each) => ({ value: each, label: <Tab text={t(names[each])} n={numbers[each]} /> })),
  ]
  const show = (value: string) =>
    setParams(
      (was) => {
        const next = new URLSearchParams(was)
        if (value) next.set('result', value)
        else next.delete('result')
        return next
      },
      { replace: true },
    )
  const actions = (
    <>
      <SegmentedControl
        size="xs"
        data={tabs}
        value={result ?? ''}
        onChange={show}
        aria-label={t('filterResults')}
      />
      <ExportResults job={job} result={result} />
    </>
  )
  return (
    <Section title={t('results')} actions={actions} flush>
      <Standings job={job} items={list.rows} />
      <DataTable
        label={t('results')}
        rows={list.rows}
        rowId={(item) => item.xid ?? ''}
        columns={columns}
        empty={<Empty title={t('noItems')} />}
        loading={list.loading}
        error={list.error}
        onRetry={list.onRetry}
        more={list.more}
        onMore={list.onMore}
        loadingMore={list.loadingMore}
        onOpen={(item) => void navigate(`/transactions/${numberOf(item.xid ?? '')}`)}
      />
    </Section>
  )
}

function Tab({ text, n }: { text: string; n: number }) {
  return (
    <>
      <span className={classes['tab']}>{text}</span> <span className="num">{count(n)}</span>
    </>
  )
}

/** nowQuery asks how a transaction is at present, until it has come to rest. */
function nowQuery(xid: string) {
  const id = numberOf(xid)
  return {
    queryKey: ['transaction-now', id],
    queryFn: ({ signal }: { signal: AbortSignal }) =>
      ask(api.GET('/api/v1/transactions/{xid}', { params: { path: { xid: id } }, signal })),
    staleTime: 2000,
    refetchInterval: (query: { state: { data?: Detail | undefined } }) => lookAgainMs(query.state.data),
    retry: false,
  }
}

/** NowCell is how a transaction is: that an operation was accepted says nothing of its end. */
function NowCell({ xid }: { xid: string }) {
  const { data } = useQuery(nowQuery(xid))
  return <StatusBadge status={data?.status} stuck={data?.stuck} heuristic={data?.heuristic} />
}

const countedMost = 50

/** Standings counts what has become of the transactions of which the operation was accepted. */
function Standings({ job, items }: { job: Job; items: readonly JobItem[] }) {
  const t = useWords(words)
  const word = useWords(shared)
  const accepted = items.filter((item) => item.result === 'done').slice(0, countedMost)
  const known = useQueries({
    queries: accepted.map((item) => nowQuery(item.xid ?? '')),
    combine: (all) => all.flatMap((one) => (one.data ? [one.data] : [])),
  })
  if (known.length === 0) return null
  const whole = known.length >= numbersOf(job).done
  return (
    <div className={classes['standings']} role="status">
      <span className="dim">{t(whole ? 'nowOf' : 'nowOfFirst', { n: count(known.length) })}</span>
      {standingsOf(known).map(({ state, n }) => {
        const name = state === 'stuck' && job.action === 'retry' ? t('stuckAgain') : word(state)
        return <Mark key={state} tone={standingTones[state]} text={`${count(n)} ${name}`} />
      })}
    </div>
  )
}

const standingTones: Readonly<Record<Standing['state'], Tone>> = {
  stuck: 'bad',
  Active: 'work',
  Committing: 'work',
  RollingBack: 'undo',
  Committed: 'good',
  RolledBack: 'undo',
}

function ExportResults({ job, result }: { job: Job; result: Result | undefined }) {
  const t = useWords(words)
  const address = (format: string) =>
    `/api/v1/jobs/${job.id}/items/export?format=${format}${result ? `&result=${result}` : ''}`
  return (
    <Menu withInitialFocusPlaceholder={false} position="bottom-end" shadow="md">
      <Menu.Target>
        <Button variant="default" size="xs" rightSection={<Icon path="M4 6l4 4 4-4" size={12} />}>
          {t('export')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component="a" href={address('csv')} download>
          {t('exportCsv')}
        </Menu.Item>
        <Menu.Item component="a" href={address('ndjson')} download>
          {t('exportNdjson')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
