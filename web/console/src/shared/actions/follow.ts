import type { Schemas } from '@/api/client.ts'
import type { Line } from './model.ts'

type Detail = Schemas['TransactionDetail']
type Branch = Schemas['Branch']

/** How the participants that an operation asks are doing. */
export interface Followed {
  readonly lines: readonly Line[]
  readonly attempted: 'waiting' | 'working' | 'done' | 'unasked' | 'none'
  readonly outcome:
    | 'waiting'
    | 'ended'
    | 'done'
    | 'failed'
    | 'failedSoFar'
    | 'unasked'
    | 'refused'
    | 'ongoing'
    | 'left'
  readonly over: boolean
}

/** wholeName is what people know a branch by: its step, its key, or what it is registered for. */
export function wholeName(branch: Branch | undefined, id = branch?.id ?? ''): string {
  return branch?.step || branch?.key || branch?.resource || branch?.commitUrl || branch?.rollbackUrl || id
}

/** branchName is wholeName in short: of an address what tells it from others, the end of its path. */
export function branchName(branch: Branch | undefined, id = branch?.id ?? ''): string {
  const name = wholeName(branch, id)
  const address = /^https?:\/\/([^/?#]+)\/?([^?#]*)/.exec(name)
  if (!address) return name
  const parts = address[2]!.split('/').filter(Boolean)
  return parts.slice(-2).join('/') || address[1]!
}

/** followed compares a transaction as it was answered to an operation with what it is now, and says what has come of
 * the attempts at the branches that were asked. */
export function followed(answered: Detail, now: Detail, asked: readonly string[]): Followed {
  const before = new Map((answered.branches ?? []).map((b) => [b.id, b]))
  const after = new Map((now.branches ?? []).map((b) => [b.id, b]))
  const lines = asked.map((id) => lineOf(id, before.get(id), after.get(id), now))
  const ended = now.status === 'Committed' || now.status === 'RolledBack'
  const open = lines.filter((line) => line.state === 'asked' || line.state === 'waiting')
  const attempted = attemptedOf(lines)
  const failed = lines.some((line) => line.state === 'failed')
  const unasked = lines.some((line) => line.state === 'unasked')
  const refused =
    lines.some((line) => line.state === 'refused') || (now.stuckReason === 'refused' && open.length > 0)
  const asking = lines.some((line) => line.state === 'asked')
  // Those that wait behind a failure have their turn once it has been tried again, unless nothing is any more.
  const over = ended || open.length === 0 || ((refused || (failed && now.stuck === true)) && !asking)
  const outcome = outcomeOf({ over, ended, refused, failed, unasked, asking, lines })
  return { lines, attempted, outcome, over }
}

function attemptedOf(lines: readonly Line[]): Followed['attempted'] {
  if (lines.length === 0) return 'none'
  const waiting = lines.filter((line) => line.state === 'waiting').length
  if (waiting === lines.length) return 'waiting'
  if (lines.every((line) => line.state === 'unasked' || line.state === 'waiting')) return 'unasked'
  return waiting > 0 || lines.some((line) => line.state === 'asked') ? 'working' : 'done'
}

function outcomeOf(seen: {
  over: boolean
  ended: boolean
  refused: boolean
  failed: boolean
  unasked: boolean
  asking: boolean
  lines: readonly Line[]
}): Followed['outcome'] {
  if (!seen.over && !seen.asking && seen.failed) return 'failedSoFar'
  if (!seen.over && !seen.asking && seen.unasked) return 'unasked'
  if (!seen.over) return 'waiting'
  if (seen.ended) return 'ended'
  if (seen.refused) return 'refused'
  if (seen.failed) return 'failed'
  if (seen.unasked) return 'unasked'
  if (seen.lines.some((line) => line.state === 'ongoing')) return 'ongoing'
  return seen.lines.length > 0 && seen.lines.every((line) => line.state === 'left') ? 'left' : 'done'
}

/** notSent is what the server says instead of asking while the circuit of an address is open. */
const notSent = /does not answer, so nobody is sent there/

/** The attempt that the operation itself has begun, or the next one if it has begun none. */
function attemptOf(before: Branch | undefined): number {
  const made = before?.attempts ?? 0
  return before?.inFlightUntil || before?.state === 'Published' ? made : made + 1
}

function lineOf(id: string, before: Branch | undefined, now: Branch | undefined, whole: Detail): Line {
  const line = (state: Line['state'], rest: Partial<Line> = {}): Line => ({
    id,
    name: branchName(now ?? before, id),
    state,
    ...rest,
  })
  if (!now) return line('left')
  const said = now.failure || undefined
  switch (now.state) {
    case 'Finished':
    case 'ReadOnly':
      return line('done')
    case 'Skipped':
      return line('left')
    case 'Refused':
      return line('refused', { said })
    case 'PhaseOneDone':
      if (now.step && whole.status !== 'RollingBack' && whole.status !== 'RolledBack') return line('done')
      break
    case 'PhaseOneFailed':
      if (now.step) return line('refused', { said })
  }
  const wanted = attemptOf(before)
  const made = now.attempts ?? 0
  const known = made > wanted || (made === wanted && !now.inFlightUntil && now.state !== 'Published')
  if (known && said && notSent.test(said)) return line('unasked', { said, again: now.nextAttemptAt })
  if (known && said) return line('failed', { said, again: now.nextAttemptAt })
  if (known && now.nextAttemptAt) return line('ongoing', { again: now.nextAttemptAt })
  return line(made >= wanted ? 'asked' : 'waiting')
}
