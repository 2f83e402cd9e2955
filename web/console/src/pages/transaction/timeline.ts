import type { Schemas } from '@/api/client.ts'
import { say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { branchName } from '@/shared/actions/follow.ts'
import {
  startOf,
  troubled,
  type Item,
  type Lane,
  type Outcome,
  type Point,
  type Span,
} from '@/shared/timeline/model.ts'
import { words } from './timelineWords.ts'

type Detail = Schemas['TransactionDetail']
type Branch = Schemas['Branch']
type Entry = Schemas['HistoryEntry']

/** Sources is all that a timeline is made from. What is absent is not drawn. */
export interface Sources {
  readonly detail: Detail
  readonly history: readonly Entry[]
  readonly decision?: Schemas['DecisionReport'] | undefined
  readonly groups?: readonly Schemas['EventGroup'][] | undefined
  /** Milliseconds, where what has not ended ends for now. */
  readonly now: number
}

/** lanesOf makes the swim lanes of a transaction: the application, the coordinator, people, each branch, the decision
 * topic, and its consumers. */
export function lanesOf(s: Sources): Lane[] {
  const of = new Map<string, Entry[]>()
  for (const entry of s.history) {
    const id = entry.branch ?? ''
    const list = of.get(id)
    if (list) list.push(entry)
    else of.set(id, [entry])
  }
  const times = timesOf(s)
  const out: Lane[] = [application(s, times), coordinator(s, times, of.get('') ?? [])]
  const people = peopleLane(s)
  if (people) out.push(people)
  for (const branch of s.detail.branches ?? [])
    out.push(branchLane(s, times, branch, of.get(branch.id ?? '') ?? []))
  out.push(...messageLanes(s))
  return out
}

/** groupNames are the names of the groups that lanes are folded into. */
export function groupNames(): Record<string, string> {
  return {
    whole: say(words, 'groupWhole'),
    branches: say(words, 'groupBranches'),
    messages: say(words, 'groupMessages'),
  }
}

interface Times {
  readonly began: number
  readonly decided: number | undefined
  readonly ended: number | undefined
  readonly deadline: number | undefined
}

const ms = (text: string | undefined) => (text ? Date.parse(text) : undefined)

function timesOf({ detail, history }: Sources): Times {
  return {
    began: ms(detail.beganAt) ?? ms(history[0]?.at) ?? 0,
    decided: ms(detail.decidedAt),
    ended: ms(detail.endedAt),
    deadline: ms(detail.deadline),
  }
}

function lane(id: string, group: string, title: string, items: Item[], subtitle?: string): Lane {
  items.sort((a, b) => startOf(a) - startOf(b))
  return { id, group, title, subtitle, items, failed: items.some(troubled) }
}

function application(s: Sources, t: Times): Lane {
  const { detail } = s
  const items: Item[] = [
    { type: 'point', id: 'tm:begin', kind: 'mark', at: t.began, title: say(words, 'beginAsked') },
  ]
  const asked = detail.cause === 'requested' || detail.cause === 'reported' || detail.cause === 'checked'
  if (t.decided !== undefined && detail.decision && asked) {
    const outcome = say(words, detail.decision)
    items.push({
      type: 'point',
      id: 'tm:decide',
      kind: 'mark',
      at: t.decided,
      title: say(words, 'decideAsked', { outcome }),
    })
  }
  if (
    t.deadline !== undefined &&
    detail.saga === undefined &&
    (t.decided === undefined || t.deadline <= t.decided)
  ) {
    const passed = t.deadline <= s.now
    items.push({
      type: 'point',
      id: 'tm:deadline',
      kind: passed ? 'trouble' : 'planned',
      at: t.deadline,
      title: say(words, passed ? 'deadlinePassed' : 'deadline'),
    })
  }
  return lane('tm', 'whole', say(words, 'laneTm'), items, detail.application)
}

function coordinator(s: Sources, t: Times, entries: readonly Entry[]): Lane {
  const items: Item[] = []
  const { detail } = s
  const open: Span = {
    type: 'span',
    id: 'co:open',
    kind: 'phase',
    from: t.began,
    to: t.decided ?? s.now,
    outcome: t.decided === undefined ? 'running' : 'done',
    startKnown: true,
    open: t.decided === undefined,
    title: say(words, detail.saga ? 'phaseSaga' : 'phaseOpen'),
  }
  items.push(open)
  if (t.decided !== undefined) {
    items.push({
      type: 'span',
      id: 'co:end',
      kind: 'phase',
      from: t.decided,
      to: t.ended ?? s.now,
      outcome: t.ended === undefined ? 'running' : 'done',
      startKnown: true,
      open: t.ended === undefined,
      title: say(words, detail.decision === 'rollback' ? 'phaseRollingBack' : 'phaseCommitting'),
    })
  }
  entries.forEach((entry, i) => {
    const point = wholePoint(detail, entry, i)
    if (point) items.push(point)
  })
  return lane('co', 'whole', say(words, 'laneCoordinator'), items, detail.saga || detail.name)
}

function wholePoint(detail: Detail, entry: Entry, i: number): Point | undefined {
  const base = { type: 'point', id: `co:${i}`, at: ms(entry.at) ?? 0, text: entry.text || undefined } as const
  switch (entry.event) {
    case 'began':
    case 'commitDecided':
    case 'rollbackDecided':
      return { ...base, kind: 'durable', title: say(words, entry.event), across: true }
    case 'ended':
      return {
        ...base,
        kind: 'durable',
        across: true,
        title: say(words, detail.status === 'RolledBack' ? 'ended_RolledBack' : 'ended_Committed'),
      }
    case 'retriesUsedUp':
      return { ...base, kind: 'trouble', title: say(words, 'retriesUsedUp') }
    case 'moved':
      return { ...base, kind: 'person', title: say(words, 'moved') }
    case 'attemptFailed':
      return { ...base, kind: 'trouble', title: say(words, 'attemptUnknown') }
    case 'retryRequested':
    case 'released':
      return undefined // in the lane of people
  }
  return { ...base, kind: 'mark', title: say(words, 'other', { event: entry.event ?? '' }) }
}

const byPeople = new Set(['retryRequested', 'skipped', 'released', 'signal', 'moved'])

function peopleLane(s: Sources): Lane | undefined {
  const items: Item[] = []
  s.history.forEach((entry, i) => {
    if (!byPeople.has(entry.event ?? '')) return
    const event = entry.event as 'retryRequested' | 'skipped' | 'released' | 'signal' | 'moved'
    items.push({
      type: 'point',
      id: `pe:${i}`,
      kind: 'person',
      at: ms(entry.at) ?? 0,
      title: say(words, event),
      text: entry.text || undefined,
    })
  })
  if (s.detail.cause === 'operator' && s.detail.decidedAt) {
    const decided = s.history.find(
      (entry) => entry.event === 'commitDecided' || entry.event === 'rollbackDecided',
    )
    items.push({
      type: 'point',
      id: 'pe:decide',
      kind: 'person',
      at: Date.parse(s.detail.decidedAt),
      text: decided?.text,
      title: say(words, 'decideAsked', { outcome: say(words, s.detail.decision ?? 'commit') }),
    })
  }
  return items.length > 0 ? lane('pe', 'whole', say(words, 'lanePeople'), items) : undefined
}

const ends: Record<string, Outcome> = {
  attemptFailed: 'failed',
  finished: 'done',
  refused: 'refused',
  stepDone: 'done',
  stepRefused: 'refused',
}

/** Run collects the attempts at a branch one after the other. */
interface Run {
  readonly branch: Branch
  readonly items: Item[]
  /** Where the next attempt cannot have begun before. */
  free: number
  /** The number of the last attempt that is known. */
  last: number
  decided: boolean
  /** Whether anything has been tried since `free`. */
  tried: boolean
}

function branchLane(s: Sources, t: Times, branch: Branch, entries: readonly Entry[]): Lane {
  const registered = ms(branch.registeredAt) ?? t.began
  const run: Run = { branch, items: [], free: registered, last: 0, decided: false, tried: false }
  entries.forEach((entry, i) => take(run, t, entry, i))
  decide(run, t, Number.POSITIVE_INFINITY)
  pending(run, s)
  const name = branchName(branch)
  const subtitle = [branch.kind, name === branch.id ? '' : branch.id].filter(Boolean).join(' · ')
  return lane(`b:${branch.id}`, 'branches', name, run.items, subtitle)
}

/** decide notes the decision, if it has been made by then: attempts are counted anew from there. */
function decide(run: Run, t: Times, by: number): void {
  if (run.decided || t.decided === undefined || t.decided > by) return
  run.decided = true
  run.free = Math.max(run.free, t.decided)
  run.last = 0
  run.tried = false
}

function take(run: Run, t: Times, entry: Entry, i: number): void {
  const at = ms(entry.at) ?? 0
  const id = `b:${run.branch.id}:${i}`
  const point = (kind: Point['kind'], title: string) =>
    run.items.push({ type: 'point', id, kind, at, title, text: entry.text || undefined })
  // A step that was under way at the decision ends after it.
  const late = entry.event === 'stepDone' || entry.event === 'stepRefused'
  if (!late) decide(run, t, at)
  const outcome = ends[entry.event ?? '']
  if (outcome) {
    attempt(run, entry, outcome, at, id)
    return
  }
  switch (entry.event) {
    case 'registered':
      point('durable', say(words, 'registered'))
      break
    case 'stepStarted':
      point('durable', say(words, 'stepStarted'))
      run.free = at
      break
    case 'reported':
      point(
        /Failed/.test(entry.text ?? '') ? 'trouble' : 'mark',
        say(words, 'reported', { state: entry.text ?? '' }),
      )
      break
    case 'retriesUsedUp':
      point('trouble', say(words, 'retriesUsedUp'))
      break
    case 'retryRequested':
    case 'skipped':
    case 'released':
    case 'signal':
      point('person', say(words, entry.event))
      run.free = Math.max(run.free, at)
      break
    default:
      point('mark', say(words, 'other', { event: entry.event ?? '' }))
  }
}

/** attemptOf is which attempt an entry ends: told, in the text of a step, or the one after the last. */
function attemptOf(entry: Entry): { number: number; text: string | undefined } {
  const text = entry.text ?? ''
  const told = /^attempt (\d+): /.exec(text)
  if (told) return { number: Number(told[1]), text: text.slice(told[0].length) }
  return { number: entry.attempt ?? 0, text: text || undefined }
}

function attempt(run: Run, entry: Entry, outcome: Outcome, at: number, id: string): void {
  const { branch } = run
  const { number: told, text } = attemptOf(entry)
  if (outcome === 'done' && !told && !run.tried && !branch.attempts && !branch.step) {
    run.items.push({ type: 'point', id, kind: 'mark', at, title: title('done', 0, operationOf(run)) })
    return // nobody had to be asked
  }
  const number = told || run.last + 1
  const took = entry.tookMs
  const from = took !== undefined ? Math.max(at - took, run.free) : run.free
  const startKnown = took !== undefined || (!run.tried && number <= 1)
  fill(run, from, number - run.last - 1, id, took === undefined && run.tried)
  run.items.push({
    type: 'span',
    id,
    kind: 'attempt',
    from: took === undefined && run.tried ? at : from,
    to: at,
    outcome,
    text,
    attempt: number,
    startKnown,
    title: title(outcome, number, operationOf(run)),
  })
  run.free = at
  run.last = number
  run.tried = true
}

/** fill draws what lies between two attempts that are known: a pause, or attempts that are not told. */
function fill(run: Run, to: number, missing: number, id: string, unknownStart: boolean): void {
  if (!run.tried && missing <= 0) return
  if (to <= run.free && !unknownStart) return
  const end = Math.max(to, run.free)
  const base = { type: 'span', from: run.free, to: end, outcome: 'unknown', startKnown: true } as const
  if (missing > 0) {
    run.items.push({
      ...base,
      id: `${id}:untold`,
      kind: 'untold',
      title: say(words, 'untold', { n: count(missing) }),
    })
  } else if (to > run.free) {
    run.items.push({ ...base, id: `${id}:wait`, kind: 'wait', title: say(words, 'wait') })
  }
}

function operationOf(run: Run): string {
  const { step } = run.branch
  if (!run.decided) return say(words, 'forward')
  return step ? say(words, 'undo') : ''
}

function title(outcome: Outcome, number: number, operation: string): string {
  const what = number > 0 ? say(words, 'attempt', { n: number }) : say(words, 'attemptUnknown')
  return `${operation ? `${what} (${operation})` : what}: ${say(words, `is_${outcome}`)}`
}

/** pending draws what is not over: the attempt under way, or the pause before the next one. */
function pending(run: Run, s: Sources): void {
  const { branch } = run
  const id = `b:${branch.id}`
  const made = branch.attempts ?? 0
  const next = ms(branch.nextAttemptAt)
  if (branch.inFlightUntil) {
    const missing = made - run.last - 1
    if (missing > 0) fill(run, Math.max(run.free, s.now), missing, `${id}:now`, true)
    run.items.push({
      type: 'span',
      id: `${id}:now`,
      kind: 'attempt',
      from: missing > 0 ? s.now : run.free,
      to: s.now,
      outcome: 'running',
      attempt: made,
      startKnown: !run.tried,
      open: true,
      title: title('running', made, operationOf(run)),
      text: branch.failure || undefined,
    })
  } else if (next !== undefined) {
    const missing = made - run.last
    if (missing > 0) fill(run, s.now, missing, `${id}:before`, true)
    else if (run.tried && next > run.free) {
      run.items.push({
        type: 'span',
        id: `${id}:wait`,
        kind: 'wait',
        from: run.free,
        to: next,
        outcome: 'unknown',
        startKnown: true,
        title: say(words, 'wait'),
      })
    }
    run.items.push({
      type: 'point',
      id: `${id}:next`,
      kind: 'planned',
      at: next,
      title: say(words, 'nextAttempt'),
    })
  }
}

function messageLanes(s: Sources): Lane[] {
  const copies = s.decision?.published ?? []
  if (copies.length === 0) return []
  const items: Item[] = copies.map((copy, i) => ({
    type: 'point',
    id: `to:${i}`,
    kind: 'durable',
    at: ms(copy.at) ?? 0,
    title: say(words, 'published', {
      topic: copy.topic ?? '',
      queue: copy.queue ?? 0,
      offset: copy.offset ?? 0,
    }),
    text: copy.pack || undefined,
  }))
  const topics = [...new Set(copies.map((copy) => copy.topic ?? ''))]
  const out = [lane('to', 'messages', say(words, 'laneTopic'), items, topics.join(', '))]
  const readers = (s.groups ?? []).filter((group) => reads(group, copies[0]!))
  if (readers.length > 0) {
    const at = Math.max(...items.map(startOf))
    const marks: Item[] = readers.map((group, i) => ({
      type: 'point',
      id: `cs:${i}`,
      kind: 'mark',
      at,
      title: say(words, 'consumer', { group: group.name ?? '' }),
    }))
    const names = readers.map((group) => group.name ?? '').join(', ')
    out.push(lane('cs', 'messages', say(words, 'laneConsumers'), marks, names))
  }
  return out
}

/** reads says whether a group of the log on one machine has got past a copy of a decision. */
function reads(group: Schemas['EventGroup'], copy: Schemas['DecisionCopy']): boolean {
  const topics = group.topics ?? []
  return (topics.length === 0 || topics.includes(copy.topic ?? '')) && (group.offset ?? 0) > (copy.offset ?? 0)
}

/** shifted moves lanes in time, to align transactions that began at different times. */
export function shifted(lanes: readonly Lane[], by: number): Lane[] {
  const move = (item: Item): Item =>
    item.type === 'span' ? { ...item, from: item.from + by, to: item.to + by } : { ...item, at: item.at + by }
  return lanes.map((one) => ({ ...one, items: one.items.map(move) }))
}
