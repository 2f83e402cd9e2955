import { Group } from '@mantine/core'
import { useState } from 'react'
import { Link, useParams } from 'react-router'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { addressOf, searchOf } from '@/pages/transactions/query.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { useNow, When } from '@/shared/When.tsx'
import { words as shell } from '@/app/words.ts'
import { Items } from './Items.tsx'
import classes from './jobs.module.css'
import { Fact, Note, Plan } from './Plan.tsx'
import { JobMark, PaceLine, Track } from './Progress.tsx'
import { numbersOf, roleOf, startableAt, type Job } from './progress.ts'
import { StartDialog } from './StartDialog.tsx'
import { useCancel, useJob } from './useJobs.ts'
import { words, type Word } from './words.ts'

/** OneJob shows a job: what it would do, how far it is, and what became of each transaction. */
export default function OneJob() {
  const t = useWords(words)
  const title = useWords(shell)
  const { job: id = '' } = useParams()
  const query = useJob(id)
  const job = query.data
  const now = useNow()
  const trail = [{ text: title('jobs'), to: '/jobs' }]
  if (!job) {
    return (
      <Page title={t('title')} trail={trail}>
        {query.error ? <ErrorBox error={query.error} retry={() => void query.refetch()} /> : <Loading />}
      </Page>
    )
  }
  const heading = t(job.total === 1 ? 'jobTitleOne' : 'jobTitle', {
    action: t(job.action as Word),
    total: count(job.total ?? 0),
  })
  return (
    <Page
      title={heading}
      trail={trail}
      mark={<JobMark job={job} now={now} />}
      actions={<Actions job={job} now={now} />}
    >
      {query.error && <ErrorBox error={query.error} stale retry={() => void query.refetch()} />}
      {job.state === 'interrupted' && <Note tone="warn">{t('interruptedText')}</Note>}
      {job.state === 'planned' || !job.startedAt ? (
        <Section title={t('plan')}>
          <div className={classes['top']}>
            <Plan job={job} />
          </div>
        </Section>
      ) : (
        <Section title={t('colProgress')}>
          <div className={classes['top']}>
            <Track job={job} />
            <PaceLine job={job} />
            <Numbers job={job} />
          </div>
        </Section>
      )}
      <Section title={t('about')}>
        <About job={job} />
      </Section>
      <Items job={job} />
    </Page>
  )
}

function Numbers({ job }: { job: Job }) {
  const t = useWords(words)
  const numbers = numbersOf(job)
  return (
    <dl className={classes['facts']}>
      <Fact name={t('resultDone')} value={count(numbers.done)} />
      <Fact name={t('resultMoved')} value={count(numbers.moved)} tone={numbers.moved ? 'warn' : undefined} />
      <Fact name={t('resultFailed')} value={count(numbers.failed)} tone={numbers.failed ? 'bad' : undefined} />
      <Fact name={t('resultPending')} value={count(numbers.pending)} />
      <Fact name={t('factRefused')} value={count(job.refused ?? 0)} />
    </dl>
  )
}

function About({ job }: { job: Job }) {
  const t = useWords(words)
  const search = searchOf(job.filter ?? {})
  return (
    <dl className={classes['about']}>
      <dt>{t('filter')}</dt>
      <dd>
        {job.named ? (
          t('namedOnes', { count: count(job.named) })
        ) : (
          <Link to={addressOf(search)} className="mono" title={t('showSearch')}>
            {search}
          </Link>
        )}
      </dd>
      {job.reason && <Row name={t('reason')}>{job.reason}</Row>}
      <Row name={t('actor')}>{job.actor}</Row>
      {job.approvedBy && <Row name={t('approvedBy')}>{job.approvedBy}</Row>}
      {job.node && <Row name={t('node')}>{job.node}</Row>}
      <Row name={t('created')}>
        <When at={job.createdAt} both />
      </Row>
      {job.startedAt && (
        <Row name={t('started')}>
          <When at={job.startedAt} both />
        </Row>
      )}
      {job.endedAt ? (
        <Row name={t('ended')}>
          <When at={job.endedAt} both />
        </Row>
      ) : (
        <Row name={t('updated')}>
          <When at={job.updatedAt} both />
        </Row>
      )}
      <Row name={t('digest')}>
        <span className="mono">{job.digest}</span>
      </Row>
    </dl>
  )
}

function Row({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}

function Actions({ job, now }: { job: Job; now: number }) {
  const t = useWords(words)
  const cancel = useCancel()
  const [starting, setStarting] = useState(false)
  const ended = job.state === 'done' || job.state === 'cancelled'
  const why = startableAt(job, now) ? undefined : job.total === 0 ? t('nothingToDo') : t('tooOld')
  return (
    <>
      {(job.state === 'planned' || job.state === 'interrupted') && (
        <MayButton role={roleOf(job.action ?? '')} size="xs" reason={why} onClick={() => setStarting(true)}>
          {job.state === 'planned' ? t('start') : t('goOn')}
        </MayButton>
      )}
      {!ended && (
        <MayButton
          role="operator"
          size="xs"
          variant="default"
          loading={cancel.isPending}
          onClick={() => cancel.mutate(job.id ?? '')}
        >
          {job.state === 'planned' ? t('cancelPlan') : t('cancel')}
        </MayButton>
      )}
      {cancel.error && (
        <Group>
          <ErrorBox error={cancel.error} />
        </Group>
      )}
      {starting && <StartDialog job={job} onClose={() => setStarting(false)} />}
    </>
  )
}
