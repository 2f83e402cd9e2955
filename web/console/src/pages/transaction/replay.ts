import type { Schemas } from '@/api/client.ts'
import { branchName } from '@/shared/actions/follow.ts'

type Detail = Schemas['TransactionDetail']
type Entry = Schemas['HistoryEntry']

/** BranchState is how a branch was at a moment. */
export type BranchState =
  | 'absent'
  | 'registered'
  | 'reported'
  | 'running'
  | 'trying'
  | 'stepDone'
  | 'stepRefused'
  | 'asked'
  | 'finished'
  | 'refused'
  | 'skipped'

/** BranchThen is a branch at a moment of the past. */
export interface BranchThen {
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly state: BranchState
  /** Failed attempts that the history tells of, by the number of the last one. */
  readonly failures: number
  /** What the last failed attempt said, or what was reported. */
  readonly said: string
  /** Whether it held rows. Which ones is known only of those that are held still. */
  readonly locks: boolean
}

/** Replayed is a transaction as it was at a moment. */
export interface Replayed {
  readonly at: number
  /** The last entry that had happened by then, -1 before the first. */
  readonly index: number
  readonly status: Schemas['Status'] | undefined
  readonly stuck: boolean
  readonly heuristic: boolean
  readonly branches: readonly BranchThen[]
}

/** momentsOf returns the times at which something happened, in order, each once. */
export function momentsOf(history: readonly Entry[]): number[] {
  const all = history.map((entry) => Date.parse(entry.at ?? '')).filter((at) => !Number.isNaN(at))
  return [...new Set(all)].sort((a, b) => a - b)
}

interface Draft {
  state: BranchState
  failures: number
  said: string
  locks: boolean
}

/** replay tells the history up to a moment again, and returns the state of then. It knows only what the history
 * tells; the detail names the branches. */
export function replay(detail: Detail, history: readonly Entry[], at: number): Replayed {
  const drafts = new Map<string, Draft>()
  const kinds = new Map((detail.branches ?? []).map((branch) => [branch.id ?? '', branch.kind ?? '']))
  const whole = {
    status: undefined as Schemas['Status'] | undefined,
    stuck: false,
    heuristic: false,
    index: -1,
  }
  for (const [i, entry] of history.entries()) {
    if (Date.parse(entry.at ?? '') > at) break
    whole.index = i
    tellWhole(whole, entry, detail, drafts)
    if (!entry.branch) continue
    const draft = drafts.get(entry.branch) ?? { state: 'absent', failures: 0, said: '', locks: false }
    drafts.set(entry.branch, draft)
    tellBranch(draft, entry, whole.status, kinds.get(entry.branch) ?? '')
    whole.heuristic ||= entry.event === 'skipped' || entry.event === 'released'
  }
  const branches = (detail.branches ?? []).map((branch): BranchThen => {
    const draft = drafts.get(branch.id ?? '')
    const joined = Date.parse(branch.registeredAt ?? '') <= at
    const rest =
      draft ?? ({ state: joined ? 'registered' : 'absent', failures: 0, said: '', locks: false } as Draft)
    return { id: branch.id ?? '', name: branchName(branch), kind: branch.kind ?? '', ...rest }
  })
  return { at, ...whole, branches }
}

function tellWhole(
  whole: { status: Schemas['Status'] | undefined; stuck: boolean },
  entry: Entry,
  detail: Detail,
  drafts: Map<string, Draft>,
): void {
  switch (entry.event) {
    case 'began':
      whole.status = 'Active'
      break
    case 'commitDecided':
    case 'rollbackDecided': {
      const commit = entry.event === 'commitDecided'
      whole.status = commit ? 'Committing' : 'RollingBack'
      for (const draft of drafts.values()) settle(draft, commit, !!detail.saga)
      break
    }
    case 'retriesUsedUp':
    case 'refused':
      whole.stuck = true
      break
    case 'retryRequested':
      whole.stuck = false
      break
    case 'ended':
      whole.status = whole.status === 'RollingBack' ? 'RolledBack' : 'Committed'
      whole.stuck = false
  }
}

/** settle says what a decision means for a branch: it is asked next, unless there is nothing to be done. A commit frees
 * rows at once, a rollback when they are as they were. */
function settle(draft: Draft, commit: boolean, saga: boolean): void {
  if (commit) draft.locks = false
  draft.failures = 0
  const open =
    draft.state === 'registered' ||
    draft.state === 'reported' ||
    draft.state === 'stepDone' ||
    draft.state === 'trying' ||
    draft.state === 'running'
  if (open && !(saga && commit)) draft.state = 'asked'
}

function tellBranch(draft: Draft, entry: Entry, status: Schemas['Status'] | undefined, kind: string): void {
  const text = entry.text ?? ''
  switch (entry.event) {
    case 'registered':
      draft.state = 'registered'
      draft.locks = kind === 'AT'
      break
    case 'reported':
      draft.state = 'reported'
      draft.said = text
      break
    case 'stepStarted':
      draft.state = 'running'
      break
    case 'attemptFailed':
      draft.state = 'trying'
      draft.failures = entry.attempt || Number(/^attempt (\d+): /.exec(text)?.[1] ?? draft.failures + 1)
      draft.said = text.replace(/^attempt \d+: /, '')
      break
    case 'stepDone':
      draft.state = status === 'RollingBack' ? 'asked' : 'stepDone'
      draft.said = ''
      break
    case 'stepRefused':
      draft.state = 'stepRefused'
      draft.said = text
      break
    case 'finished':
      draft.state = 'finished'
      draft.locks = false
      draft.said = ''
      break
    case 'refused':
      draft.state = 'refused'
      draft.said = text
      break
    case 'retryRequested':
      if (draft.state === 'refused') draft.state = 'asked'
      break
    case 'skipped':
      draft.state = 'skipped'
      draft.locks = false
      break
    case 'released':
      draft.locks = false
  }
}
