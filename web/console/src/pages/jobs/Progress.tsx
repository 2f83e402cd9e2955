import { useWords } from '@/i18n'
import { count, rate, span } from '@/i18n/format.ts'
import { Mark } from '@/shared/StatusBadge.tsx'
import classes from './jobs.module.css'
import { attemptedOf, numbersOf, paceOf, startableAt, toneOf, type Job } from './progress.ts'
import { words, type Word } from './words.ts'

/** Track is the progress of a job as a bar, by what became of its transactions. */
export function Track({ job }: { job: Job }) {
  const t = useWords(words)
  const numbers = numbersOf(job)
  const total = Math.max(1, job.total ?? 0)
  return (
    <div
      className={classes['track']}
      role="progressbar"
      aria-label={t('progressLabel')}
      aria-valuemin={0}
      aria-valuemax={job.total ?? 0}
      aria-valuenow={attemptedOf(job)}
    >
      {(['done', 'moved', 'failed'] as const).map((result) => (
        <span key={result} data-result={result} style={{ width: `${(100 * numbers[result]) / total}%` }} />
      ))}
    </div>
  )
}

/** Bar is the track with its numbers, for a cell. */
export function Bar({ job }: { job: Job }) {
  const t = useWords(words)
  return (
    <div className={classes['bar']}>
      <Track job={job} />
      <span className="num dim">
        {t('progressOf', { done: count(attemptedOf(job)), total: count(job.total ?? 0) })}
      </span>
    </div>
  )
}

/** Pace says how fast the job goes and how long it will. */
export function PaceLine({ job }: { job: Job }) {
  const t = useWords(words)
  const pace = paceOf(job)
  return (
    <div className={classes['pace']}>
      <span>
        <strong className="num">{count(attemptedOf(job))}</strong>{' '}
        {t('progressOf', { done: '', total: count(job.total ?? 0) }).trim()}
      </span>
      {pace && <span>{t('pace', { rate: rate(pace.perSecond) })}</span>}
      <span>{t('paceBound', { rate: count(job.ratePerSecond ?? 0) })}</span>
      {pace?.leftMs !== undefined && <span>{t('left', { time: span(pace.leftMs) })}</span>}
      {job.endedAt && job.startedAt && (
        <span>{t('took', { time: span(Date.parse(job.endedAt) - Date.parse(job.startedAt)) })}</span>
      )}
    </div>
  )
}

/** JobMark is the state of a job in words. */
export function JobMark({ job, now }: { job: Job; now: number }) {
  const t = useWords(words)
  const state = (job.state ?? 'planned') as Word
  if (job.state === 'planned' && !startableAt(job, now)) return <Mark tone="idle" text={t('expired')} />
  if (job.state === 'cancelled' && !job.startedAt) return <Mark tone="idle" text={t('neverStarted')} />
  return <Mark tone={toneOf(job)} text={t(state)} />
}
