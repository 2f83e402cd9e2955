import type { Schemas } from '@/api/client.ts'
import {
  modelOf,
  type GraphModel,
  type GraphStep,
  type Paint,
  type Paints,
  type PaintState,
} from '@/saga/graph'

export type Run = Schemas['SagaRun']
export type RunStep = Schemas['SagaRunStep']

/** branchesOf are the branches of a run by the step of the definition that they are of: items of loops together. Of the
 * turns of a repetition only the newest counts. */
export function branchesOf(run: Run): Map<string, RunStep[]> {
  const newest = new Map<string, { turn: number; step: RunStep }>()
  for (const step of run.steps ?? []) {
    const name = step.name ?? ''
    const turn = Number(/#(\d+)$/.exec(name)?.[1] ?? 0)
    const item = name.replace(/#\d+$/, '')
    const known = newest.get(item)
    if (!known || turn >= known.turn) newest.set(item, { turn, step })
  }
  const out = new Map<string, RunStep[]>()
  for (const { step } of newest.values()) out.set(step.id ?? '', [...(out.get(step.id ?? '') ?? []), step])
  return out
}

/** stateOf is what the graph says of a branch: its undoing hides how it went forward. */
export function stateOf(step: RunStep): PaintState {
  switch (step.undo?.state) {
    case 'done':
    case 'skipped':
      return 'undone'
    case 'refused':
      return 'undoRefused'
    case 'waiting':
    case 'running':
    case 'retrying':
      return 'undoing'
    default:
      return step.state ?? 'pending'
  }
}

// Of the items of a loop, and the steps of a sub-saga, the one that comes first here says how the whole is.
const worst: readonly PaintState[] = [
  'undoRefused',
  'refused',
  'undoing',
  'retrying',
  'running',
  'waiting',
  'pending',
  'unknown',
  'abandoned',
  'undone',
  'done',
]
const busy = new Set<PaintState>(['running', 'retrying', 'waiting', 'pending', 'undoing', 'undoRefused'])

function worstOf(states: readonly PaintState[]): PaintState {
  return worst.find((state) => states.includes(state)) ?? 'idle'
}

function paintBranches(branches: readonly RunStep[], run: Run): Paint {
  const states = branches.map(stateOf)
  const state = worstOf(states)
  const first = branches[0]!
  const live = run.outcome === 'running'
  const back = run.status === 'RollingBack'
  const stuck =
    run.stuck === true && (back ? state === 'undoRefused' : state === 'refused' || state === 'unknown')
  const looped = branches.length > 1 || /\[\d+\]/.test(first.name ?? '')
  const failed = branches.filter((each) => each.failure || each.undo?.failure)
  const failure = failed[0]?.undo?.failure ?? failed[0]?.failure
  const took = tookOf(branches)
  return {
    state,
    current: live && (stuck || (busy.has(state) && (!back || state.startsWith('undo')))),
    attempts: Math.max(
      ...branches.map((each) => (each.undo ? (each.undo.attempts ?? 0) : (each.attempts ?? 0))),
    ),
    byHand: branches.some((each) => each.byHand || each.undo?.state === 'skipped'),
    ...(failure ? { failure } : {}),
    ...(took === undefined ? {} : { durationMs: took }),
    ...(looped
      ? {
          items: {
            done: states.filter((each) => each === 'done' || each === 'undone').length,
            of: branches.length,
            failed: failed.length,
          },
        }
      : {}),
  }
}

/** tookOf is how long branches took, from the first begin to the last end; undefined while one of them goes on. */
function tookOf(branches: readonly RunStep[]): number | undefined {
  const begins = branches.map((each) => Date.parse(each.startedAt ?? ''))
  const ends = branches.map((each) => Date.parse(each.undo?.endedAt ?? each.endedAt ?? ''))
  const took = Math.max(...ends) - Math.min(...begins)
  return Number.isFinite(took) && took >= 0 ? took : undefined
}

/** paintsOf paints a run on the steps of its definition. Choices, sub-sagas, and steps that were skipped have no
 * branch: what became of them follows from what came after. */
export function paintsOf(run: Run, steps: readonly GraphStep[], subs: Subs = {}): Paints {
  const branches = branchesOf(run)
  const out: Record<string, Paint> = {}
  paintLevel({ run, branches, subs, out }, steps, '')
  return out
}

/** Subs are the steps of sub-sagas by the path of the step that runs them, as far as they are known. */
export type Subs = Readonly<Record<string, readonly GraphStep[]>>

interface Work {
  readonly run: Run
  readonly branches: ReadonlyMap<string, RunStep[]>
  readonly subs: Subs
  readonly out: Record<string, Paint>
}

function paintLevel(work: Work, steps: readonly GraphStep[], prefix: string): void {
  const model = modelOf(steps)
  const has = new Set<string>()
  for (const step of steps) {
    const path = prefix + step.id
    const own = work.branches.get(path)
    const inner = [...work.branches].filter(([id]) => id.startsWith(`${path}/`)).flatMap(([, each]) => each)
    if (own) work.out[path] = paintBranches(own, work.run)
    else if (inner.length > 0) work.out[path] = paintSub(inner, work.run)
    if (own || inner.length > 0) has.add(step.id)
    const sub = work.subs[path]
    if (sub) paintLevel(work, sub, `${path}/`)
  }
  paintRest(work, model, prefix, has)
}

function paintSub(inner: readonly RunStep[], run: Run): Paint {
  const { items: _, attempts: __, ...paint } = paintBranches(inner, run)
  return paint
}

/** paintRest says what became of steps without branches, from the end to the begin. */
function paintRest({ run, out }: Work, model: GraphModel, prefix: string, has: ReadonlySet<string>): void {
  const passed = new Set(has)
  const behind = (id: string) => model.edges.filter((edge) => edge.from === id && edge.kind !== 'undo')
  for (let round = 0; round < model.steps.length; round++) {
    const before = passed.size
    for (const step of model.steps) {
      if (!passed.has(step.id) && behind(step.id).some((edge) => passed.has(edge.to))) passed.add(step.id)
    }
    if (passed.size === before) break
  }
  const over = run.status === 'Committed'
  for (const step of model.steps) {
    if (has.has(step.id)) continue
    const path = prefix + step.id
    const choice = step.kind === 'choice' || step.kind === 'Choice'
    if (choice && passed.has(step.id)) {
      const took = caseOf(model, step.id, has)
      out[path] = { state: 'done', ...(took ? { took } : {}) }
    } else if (passed.has(step.id) || over) out[path] = { state: 'skipped' }
    else out[path] = { state: 'idle' }
  }
}

/** caseOf is the way that a choice took: the one behind which a step has begun, best one that no other way leads to. */
function caseOf(model: GraphModel, choice: string, has: ReadonlySet<string>): string | undefined {
  const ways = model.edges.filter((edge) => edge.from === choice && edge.kind === 'case' && has.has(edge.to))
  const only = ways.find((way) => model.edges.filter((edge) => edge.to === way.to).length === 1)
  return (only ?? ways[0])?.label
}
