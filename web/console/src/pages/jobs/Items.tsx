import { Button, Menu, SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { api, ask } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useLanguage, useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { Section } from '@/shared/Page.tsx'
import { Mark, StatusBadge } from '@/shared/StatusBadge.tsx'
import { numberOf, RowXid } from '@/shared/Xid.tsx'
import classes from './jobs.module.css'
import { numbersOf, results, resultTones, type Job, type JobItem, type Result } from './progress.ts'
import { words, type Word } from './words.ts'

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
      { id: 'now', header: t('colNow'), width: '230px', cell: (item) => <Now xid={item.xid ?? ''} /> },
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

/** Now is how a transaction is at present: that an operation was carried out says nothing of its end. */
function Now({ xid }: { xid: string }) {
  const id = numberOf(xid)
  const one = useQuery({
    queryKey: ['transaction-now', id],
    queryFn: ({ signal }) =>
      ask(api.GET('/api/v1/transactions/{xid}', { params: { path: { xid: id } }, signal })),
    staleTime: 2000,
    refetchInterval: (query) => (query.state.data?.endedAt ? false : 5000),
    retry: false,
  })
  return <StatusBadge status={one.data?.status} stuck={one.data?.stuck} heuristic={one.data?.heuristic} />
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
