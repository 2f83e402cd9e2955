import { readDefinition } from '@/saga/text.ts'
import { modelOf, type GraphStep, type Paints } from '@/saga/graph'
import type { Line } from '@/pages/designer/difference.ts'

/** Changed says how a version differs from an older one, by its steps. */
export interface Changed {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
  /** What differs outside of the steps: keys of the definition. */
  readonly around: readonly string[]
}

type Json = Record<string, unknown>

function idOf(step: unknown): string {
  const id = (step as Json | null)?.['id']
  return typeof id === 'string' ? id : ''
}

/** changesOf compares two texts of definitions by what they mean: comments and the order of keys are no difference.
 * Where a step has no predecessors of its own, what comes before it in the document counts. */
export function changesOf(
  older: string,
  newer: string,
  olderSteps: readonly GraphStep[],
  newerSteps: readonly GraphStep[],
): Changed {
  const was = partsOf(older, olderSteps)
  const is = partsOf(newer, newerSteps)
  const ids = (of: ReadonlyMap<string, string>) => [...of.keys()]
  const keys = [...new Set([...ids(was.around), ...ids(is.around)])]
  return {
    added: ids(is.steps).filter((id) => !was.steps.has(id)),
    removed: ids(was.steps).filter((id) => !is.steps.has(id)),
    changed: ids(is.steps).filter((id) => was.steps.has(id) && was.steps.get(id) !== is.steps.get(id)),
    around: keys.filter((key) => was.around.get(key) !== is.around.get(key)),
  }
}

function partsOf(text: string, graph: readonly GraphStep[]) {
  const definition = readDefinition(text) ?? {}
  const after = new Map(graph.map((step) => [step.id, step.after]))
  const steps = new Map<string, string>()
  const list: unknown = definition['steps'] ?? []
  const written = Array.isArray(list) ? list : []
  for (const step of written) {
    const id = idOf(step)
    if (id) steps.set(id, sorted({ ...(step as Json), after: after.get(id) ?? [] }))
  }
  // Of other languages only what the server says is known.
  if (written.length === 0) for (const step of graph) steps.set(step.id, sorted(step))
  const around = new Map<string, string>()
  for (const [key, value] of Object.entries(definition)) if (key !== 'steps') around.set(key, sorted(value))
  return { steps, around }
}

/** sorted writes a value so that equal ones are written alike. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

/** merged has the steps of both versions, so that those that are gone can be drawn, too, where they were. */
export function merged(older: readonly GraphStep[], newer: readonly GraphStep[]): GraphStep[] {
  const there = new Set(newer.map((step) => step.id))
  const edges = modelOf(older).edges
  const gone = older
    .filter((step) => !there.has(step.id))
    .map((step) => ({ ...step, after: edges.filter((edge) => edge.to === step.id).map((edge) => edge.from) }))
  return [...newer, ...gone]
}

/** paintChanges marks the steps that differ. */
export function paintChanges(changes: Changed): Paints {
  return Object.fromEntries(
    (['added', 'removed', 'changed'] as const).flatMap((change) =>
      changes[change].map((id) => [id, { change }]),
    ),
  )
}

/** Side is one line of one of two texts that stand side by side. */
export interface Side {
  readonly number: number
  readonly text: string
}

export interface SideRow {
  readonly kind: 'same' | 'gone' | 'new' | 'changed' | 'skipped'
  readonly left?: Side
  readonly right?: Side
  /** How many lines are left out here. */
  readonly skipped?: number
}

/** sideBySide puts what went beside what came in its place. */
export function sideBySide(lines: readonly Line[]): SideRow[] {
  const out: SideRow[] = []
  let gone: Side[] = []
  let come: Side[] = []
  const flush = () => {
    for (let i = 0; i < Math.max(gone.length, come.length); i++) {
      const left = gone[i]
      const right = come[i]
      const kind = left && right ? 'changed' : left ? 'gone' : 'new'
      out.push({ kind, ...(left ? { left } : {}), ...(right ? { right } : {}) })
    }
    gone = []
    come = []
  }
  for (const { kind, left = 0, right = 0, text } of lines) {
    if (kind === 'gone') gone.push({ number: left, text })
    else if (kind === 'new') come.push({ number: right, text })
    else {
      flush()
      if (kind === 'skipped') out.push({ kind, skipped: Number(text) })
      else out.push({ kind, left: { number: left, text }, right: { number: right, text } })
    }
  }
  flush()
  return out
}
