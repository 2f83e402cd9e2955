import { Button } from '@mantine/core'
import { useMemo } from 'react'
import { Link, useNavigate } from 'react-router'
import { api, ask } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useLanguage, useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { searchOf } from '@/pages/transactions/query.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Page } from '@/shared/Page.tsx'
import { useNow, When } from '@/shared/When.tsx'
import { Bar, JobMark } from './Progress.tsx'
import type { Job } from './progress.ts'
import { words, type Word } from './words.ts'

/** State shows the mark by the clock, because plans expire. */
function State({ job }: { job: Job }) {
  return <JobMark job={job} now={useNow()} />
}

/** Jobs lists operations on many transactions. */
export default function Jobs() {
  const t = useWords(words)
  const language = useLanguage()
  const navigate = useNavigate()
  const list = usePages<Job>({
    key: ['jobs'],
    load: (cursor, signal) =>
      ask(api.GET('/api/v1/jobs', { params: { query: { limit: 100, ...(cursor && { cursor }) } }, signal })),
    every: 2000,
  })
  const columns = useMemo<readonly Column<Job>[]>(
    () => [
      { id: 'state', header: t('colState'), width: '140px', cell: (job) => <State job={job} /> },
      {
        id: 'action',
        header: t('colAction'),
        width: '140px',
        cell: (job) => <Link to={`/jobs/${job.id}`}>{t(job.action as Word)}</Link>,
      },
      {
        id: 'what',
        header: t('colWhat'),
        width: 'minmax(160px, 2fr)',
        cell: (job) =>
          job.named ? (
            t('namedOnes', { count: count(job.named) })
          ) : (
            <span className="mono">{searchOf(job.filter ?? {})}</span>
          ),
      },
      {
        id: 'progress',
        header: t('colProgress'),
        width: 'minmax(180px, 2fr)',
        cell: (job) => <Bar job={job} />,
      },
      {
        id: 'failed',
        header: t('colFailed'),
        width: '80px',
        align: 'right',
        cell: (job) => count(job.failed ?? 0),
      },
      {
        id: 'reason',
        header: t('colReason'),
        width: 'minmax(120px, 2fr)',
        cell: (job) =>
          job.reason ? <span title={job.reason}>{job.reason}</span> : <span className="dim">–</span>,
      },
      { id: 'actor', header: t('colActor'), width: 'minmax(90px, 1fr)', cell: (job) => job.actor },
      { id: 'created', header: t('colCreated'), width: '120px', cell: (job) => <When at={job.createdAt} /> },
    ],
    // oxlint-disable-next-line react-hooks/exhaustive-deps
    [language],
  )
  const empty = (
    <Empty title={t('emptyTitle')} text={t('emptyText')}>
      <Button component={Link} to="/transactions" variant="default" size="xs">
        {t('toTransactions')}
      </Button>
    </Empty>
  )
  return (
    <Page title={t('title')} text={t('text')}>
      <div className="card">
        <DataTable
          label={t('title')}
          rows={list.rows}
          rowId={(job) => job.id ?? ''}
          columns={columns}
          empty={empty}
          loading={list.loading}
          error={list.error}
          onRetry={list.onRetry}
          more={list.more}
          onMore={list.onMore}
          loadingMore={list.loadingMore}
          onOpen={(job) => void navigate(`/jobs/${job.id}`)}
        />
      </div>
    </Page>
  )
}
