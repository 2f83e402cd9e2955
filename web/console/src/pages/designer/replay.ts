import type { Schemas } from '@/api/client.ts'
import type { Paint, Paints, PaintState } from '@/saga/graph/paint.ts'
import type { GraphStep } from '@/saga/graph/model.ts'

/** Moment is one thing that happens, in a simulation or on the path of a counter-example. */
export interface Moment {
  /** The step as the server names it: "trip/hotel", "items[2]"; absent for the saga itself. */
  readonly step?: string | undefined
  readonly event: string
  readonly text?: string | undefined
  readonly afterMs?: number | undefined
  readonly attempt?: number | undefined
}

/** One is how far one item, turn, or step is. */
interface One {
  state: PaintState
  attempts: number
  failure?: string
}

/** pathOf is the path of a step in the graph: without items of loops and turns of repetitions. */
export function pathOf(step: string): string {
  return step.replaceAll(/\[\d+\]/g, '').replaceAll(/#\d+/g, '')
}

const waits = new Set(['timer', 'signal', 'approval'])

/** stateAfter is what an event makes of a step. */
function stateAfter(event: string, was: PaintState, kind: string | undefined): PaintState {
  switch (event) {
    case 'stepStarted':
      return kind && waits.has(kind) ? 'waiting' : 'running'
    case 'attemptFailed':
      return was === 'undoing' ? 'undoing' : 'retrying'
    case 'stepDone':
      return 'done'
    case 'stepRefused':
      return 'refused'
    case 'retriesUsedUp':
      return was === 'undoing' ? 'undoRefused' : 'unknown'
    case 'undoStarted':
      return 'undoing'
    case 'finished':
      return was === 'undoing' ? 'undone' : 'done'
    case 'refused':
      return was === 'undoing' ? 'undoRefused' : 'refused'
    default:
      return was
  }
}

/** paintsAt paints the graph as it is when the first so many moments have happened. */
export function paintsAt(steps: readonly GraphStep[], moments: readonly Moment[], count: number): Paints {
  const kinds = new Map(steps.map((step) => [step.id, step.kind]))
  const ones = new Map<string, One>()
  const paths = new Map<string, Set<string>>()
  let over = ''
  moments.slice(0, count).forEach((moment) => {
    if (moment.step === undefined || moment.step === '') {
      if (moment.event === 'commitDecided' || moment.event === 'rollbackDecided') over = moment.event
      return
    }
    const path = pathOf(moment.step)
    const one = ones.get(moment.step) ?? { state: 'pending' as const, attempts: 0 }
    one.state = stateAfter(moment.event, one.state, kinds.get(path))
    if (moment.attempt && one.state !== 'undoing' && one.state !== 'undone') one.attempts = moment.attempt
    if (['attemptFailed', 'stepRefused', 'refused'].includes(moment.event)) one.failure = moment.text ?? ''
    if (one.state === 'done') delete one.failure
    ones.set(moment.step, one)
    for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      paths.set(at, (paths.get(at) ?? new Set()).add(moment.step))
    }
  })
  const out: Record<string, Paint> = {}
  for (const [path, names] of paths) out[path] = together([...names].map((name) => ones.get(name)!))
  const current = moments[count - 1]?.step
  if (current) out[pathOf(current)] = { ...out[pathOf(current)], current: true }
  return withChoices(steps, withRest(steps, out, over === 'commitDecided' && count >= moments.length))
}

const weight: readonly PaintState[] = [
  'undoRefused',
  'undoing',
  'refused',
  'unknown',
  'retrying',
  'running',
  'waiting',
  'pending',
]

/** together is one paint of several items. */
function together(ones: readonly One[]): Paint {
  const states = new Set(ones.map((one) => one.state))
  const state =
    weight.find((each) => states.has(each)) ??
    (states.has('undone') ? (states.has('done') ? 'undoing' : 'undone') : 'done')
  const failure = ones.find((one) => one.failure)?.failure
  const failed = ones.filter((one) => one.state === 'refused' || one.state === 'unknown').length
  const done = ones.filter((one) => one.state === 'done' || one.state === 'undone').length
  return {
    state,
    ...(ones.length > 1 ? { items: { done, of: ones.length, failed } } : { attempts: ones[0]!.attempts }),
    ...(failure ? { failure } : {}),
  }
}

/** withRest says what the steps are that nothing was heard of: idle, or skipped if all is over. */
function withRest(
  steps: readonly GraphStep[],
  paints: Record<string, Paint>,
  done: boolean,
): Record<string, Paint> {
  for (const step of steps) paints[step.id] ??= { state: done && step.kind !== 'choice' ? 'skipped' : 'idle' }
  return paints
}

/** withChoices says which way choices went. The server tells no event of them; it shows in what came next. */
function withChoices(steps: readonly GraphStep[], paints: Record<string, Paint>): Paints {
  const reached = (id: string) => !['idle', 'skipped'].includes(paints[id]?.state ?? 'idle')
  for (const step of [...steps].reverse()) {
    if (step.kind !== 'choice') continue
    for (const next of steps) {
      if (!reached(next.id)) continue
      const edge = next.after.find((each) => each === step.id || each.startsWith(`${step.id}.`))
      if (!edge) continue
      const took = edge.slice(step.id.length + 1)
      // A step where ways come together says nothing about which of them it was.
      if (
        took &&
        next.after.length > 1 &&
        next.after.some((each) => each !== edge && reached(each.split('.')[0]!))
      )
        continue
      paints[step.id] = { ...paints[step.id], state: 'done', ...(took ? { took } : {}) }
      break
    }
  }
  return paints
}

/** momentsOf are the events of a simulation. */
export function momentsOf(result: Schemas['SimulatedRun']): Moment[] {
  return (result.timeline ?? []).map((event) => ({
    step: event.step,
    event: event.event ?? '',
    text: event.text,
    afterMs: event.afterMs,
    attempt: event.attempt,
  }))
}

/** The words of the exploration, and the events of runs that they stand for. */
const said: readonly (readonly [RegExp, string])[] = [
  [/^done$|^the signal comes$/, 'stepDone'],
  [/^refused$|^the signal is a no$/, 'stepRefused'],
  [/^lost: |^the signal does not come in time$/, 'retriesUsedUp'],
  [/^compensated$/, 'finished'],
]

/** pathMoments reads the path of a counter-example: lines such as "reserve: done" and "decided: rollback, refused". */
export function pathMoments(lines: readonly string[], steps: readonly GraphStep[]): Moment[] {
  const ids = new Set(steps.map((step) => step.id))
  const out: Moment[] = []
  for (const line of lines) {
    const colon = line.indexOf(': ')
    const name = line.slice(0, Math.max(0, colon))
    if (colon < 0 || !ids.has(pathOf(name).split('/')[0]!)) {
      const event = line.startsWith('decided: rollback')
        ? 'rollbackDecided'
        : line.startsWith('decided: commit')
          ? 'commitDecided'
          : 'said'
      out.push({ event, text: line })
      continue
    }
    const text = line.slice(colon + 2)
    const event = said.find(([pattern]) => pattern.test(text))?.[1] ?? 'said'
    // A compensation is told when it is done; that it has begun is not.
    out.push({ step: name, event: event === 'finished' ? 'undone' : event, text })
  }
  return out
}

/** pathPaints paints a counter-example: the state after so many of its moments, and numbers for the places on it. */
export function pathPaints(
  steps: readonly GraphStep[],
  moments: readonly Moment[],
  count: number,
  failed?: string,
): Paints {
  const told = moments.flatMap((moment) =>
    moment.event === 'undone'
      ? [
          { ...moment, event: 'undoStarted' },
          { ...moment, event: 'finished' },
        ]
      : [moment],
  )
  const upTo = moments.slice(0, count).reduce((sum, moment) => sum + (moment.event === 'undone' ? 2 : 1), 0)
  const paints: Record<string, Paint> = { ...paintsAt(steps, told, upTo) }
  const numbers = new Map<string, number[]>()
  moments.forEach((moment, i) => {
    if (!moment.step) return
    const path = pathOf(moment.step)
    numbers.set(path, [...(numbers.get(path) ?? []), i + 1])
  })
  for (const [path, positions] of numbers) paints[path] = { ...paints[path], positions }
  const end = failed ? pathOf(failed) : undefined
  if (end && count >= moments.length) {
    const was = paints[end]?.state
    const state = !was || was === 'idle' || was === 'done' ? 'unknown' : was
    paints[end] = { ...paints[end], state, current: true }
  }
  return paints
}

/** Bar is a stretch of the timeline of a simulation. */
export interface Bar {
  readonly name: string
  readonly kind: string
  readonly parts: readonly {
    readonly fromMs: number
    readonly toMs: number
    readonly undo: boolean
    readonly state: PaintState
  }[]
  readonly attempts: number
  readonly failure?: string | undefined
}

const ends: Record<string, PaintState> = {
  running: 'running',
  done: 'done',
  refused: 'refused',
  gaveUp: 'unknown',
  undone: 'done',
  undoRefused: 'done',
  stopped: 'abandoned',
}

/** barsOf are the steps of a simulation over time. */
export function barsOf(result: Schemas['SimulatedRun']): Bar[] {
  const last = result.tookMs ?? 0
  return (result.steps ?? []).map((step) => {
    const forward = {
      fromMs: step.fromMs ?? 0,
      toMs: step.toMs ?? last,
      undo: false,
      state: ends[step.state ?? ''] ?? 'done',
    }
    const undo =
      step.undoFromMs === undefined
        ? []
        : [
            {
              fromMs: step.undoFromMs,
              toMs: step.undoToMs ?? last,
              undo: true,
              state: (step.state === 'undoRefused' ? 'undoRefused' : 'undone') as PaintState,
            },
          ]
    if (undo.length > 0 && step.toMs === undefined) forward.toMs = Math.min(forward.toMs, undo[0]!.fromMs)
    return {
      name: step.name ?? '',
      kind: step.kind ?? '',
      parts: [forward, ...undo],
      attempts: step.attempts ?? 0,
      failure: step.failure,
    }
  })
}
