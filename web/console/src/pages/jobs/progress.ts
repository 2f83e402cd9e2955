import type { Schemas } from '@/api/client.ts'
import type { Tone } from '@/shared/StatusBadge.tsx'

export type Job = Schemas['Job']
export type JobItem = Schemas['JobItem']
export type JobState = NonNullable<Job['state']>
export type Result = NonNullable<JobItem['result']>
export type Action = 'retry' | 'commit' | 'rollback' | 'release'

export const results: readonly Result[] = ['done', 'moved', 'failed', 'pending']
export const actions: readonly Action[] = ['retry', 'commit', 'rollback', 'release']
/** rates are how many operations a second are offered. */
export const rates: readonly number[] = [1, 10, 50, 200, 1000, 5000]

/** roleOf is the role that an action needs. */
export function roleOf(action: string): 'operator' | 'resolver' {
  return action === 'release' || action === 'skip' ? 'resolver' : 'operator'
}

/** numbersOf counts what became of a job's transactions. */
export function numbersOf(job: Job): Record<Result, number> {
  const done = job.done ?? 0
  const moved = job.moved ?? 0
  const failed = job.failed ?? 0
  return { done, moved, failed, pending: Math.max(0, (job.total ?? 0) - done - moved - failed) }
}

/** attemptedOf is how many transactions of a job have a result. */
export function attemptedOf(job: Job): number {
  return (job.total ?? 0) - numbersOf(job).pending
}

/** toneOf is the tone of a job. One that has ended is never good by that alone: what was accepted may be refused. */
export function toneOf(job: Job): Tone {
  switch (job.state) {
    case 'running':
      return 'work'
    case 'done':
      return (job.failed ?? 0) > 0 ? 'bad' : (job.moved ?? 0) > 0 ? 'warn' : 'idle'
    case 'interrupted':
      return 'warn'
    default:
      return 'idle'
  }
}

/** resultTones are the tones of results. What is done by the job is accepted, of which nobody knows the end yet. */
export const resultTones: Readonly<Record<Result, Tone>> = {
  done: 'work',
  moved: 'warn',
  failed: 'bad',
  pending: 'idle',
}

/** Pace is how fast a job goes, and how long it will. */
export interface Pace {
  readonly perSecond: number
  readonly leftMs: number | undefined
}

/** paceOf is the pace since a job was started, as the server's own times have it. The first are sent at once, so that a
 * short job seems to go faster than was asked for: its time is taken as long as its rate needs for them. */
export function paceOf(job: Job): Pace | undefined {
  if (!job.startedAt) return undefined
  const until = Date.parse(job.endedAt ?? job.updatedAt ?? job.startedAt)
  const seconds = (until - Date.parse(job.startedAt)) / 1000
  const attempted = attemptedOf(job)
  if (seconds <= 0 || attempted === 0) return undefined
  const perSecond = attempted / Math.max(seconds, attempted / (job.ratePerSecond || Infinity))
  return {
    perSecond,
    leftMs: job.state === 'running' ? (numbersOf(job).pending / perSecond) * 1000 : undefined,
  }
}

/** Now is how a transaction of a job is at present. */
export type Now = Pick<Schemas['TransactionDetail'], 'status' | 'stuck' | 'endedAt'>

/** lookAgainMs is when it is looked at again how a transaction is: never once it has ended, and seldom while it is
 * stuck, where it stays until a person does something. */
export function lookAgainMs(now: Now | undefined): number | false {
  if (now?.endedAt) return false
  return now?.stuck ? 15_000 : 3000
}

/** Standing is how many of a job's transactions are in a state now. */
export interface Standing {
  readonly state: NonNullable<Now['status']> | 'stuck'
  readonly n: number
}

const states: readonly Standing['state'][] = [
  'stuck',
  'Active',
  'Committing',
  'RollingBack',
  'Committed',
  'RolledBack',
]

/** standingsOf counts what has become of transactions, what needs a person first. */
export function standingsOf(all: readonly Now[]): Standing[] {
  return states
    .map((state) => ({ state, n: all.filter((now) => (now.stuck ? 'stuck' : now.status) === state).length }))
    .filter(({ n }) => n > 0)
}

/** takesMs is how long a job takes at least. */
export function takesMs(job: Job): number {
  return ((job.total ?? 0) / Math.max(1, job.ratePerSecond ?? 1)) * 1000
}

/** plannedMs is how long a plan may be looked at before it is started. */
export const plannedMs = 15 * 60_000

/** startableAt says whether a job can be started: a plan that is fresh, or what was interrupted. */
export function startableAt(job: Job, now: number): boolean {
  if (job.state === 'interrupted') return true
  return job.state === 'planned' && now - Date.parse(job.createdAt ?? '') < plannedMs && (job.total ?? 0) > 0
}

/** Change is how many of a plan's examples go from one status to another. */
export interface Change {
  readonly from: string
  readonly to: string
  readonly heuristic: boolean
  readonly count: number
}

/** changesOf groups the examples of a plan by what they would become. */
export function changesOf(sample: readonly Schemas['Plan'][]): Change[] {
  const all = new Map<string, Change>()
  for (const plan of sample) {
    const key = `${plan.status} ${plan.resultingStatus} ${plan.heuristic}`
    const was = all.get(key)
    all.set(key, {
      from: plan.status ?? '',
      to: plan.resultingStatus ?? '',
      heuristic: plan.heuristic === true,
      count: (was?.count ?? 0) + 1,
    })
  }
  return [...all.values()]
}
