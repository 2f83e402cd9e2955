import type { Editing } from './editing.ts'
import { renameCaseIn, renameStepIn } from './references.ts'
import { asMap, stepList, type Json } from './source.ts'

/** The kinds of the palette: those of the language, and two shapes of many steps. */
export const kinds = [
  'call',
  'message',
  'worker',
  'subSaga',
  'timer',
  'signal',
  'approval',
  'choice',
  'loop',
  'parallel',
] as const
export type Kind = (typeof kinds)[number]

/** The kinds of the language. */
export const stepKinds = [
  'call',
  'message',
  'worker',
  'subSaga',
  'timer',
  'signal',
  'approval',
  'choice',
] as const
export type StepKind = (typeof stepKinds)[number]

type Step = { [key: string]: Json }

/** nameOk says whether a text is a name of the language. */
export function nameOk(name: string): boolean {
  return /^[a-zA-Z][a-zA-Z0-9_-]{0,63}$/.test(name)
}

/** kindOf is the kind of a step as it is written. */
export function kindOf(step: Step): StepKind | undefined {
  return stepKinds.find((kind) => kind in step)
}

/** idsOf are the ids of the steps, in document order. */
export function idsOf(value: Json | undefined): string[] {
  return stepList(value).flatMap((step) => (typeof step['id'] === 'string' ? [step['id']] : []))
}

/** indexOf is where a step stands; -1 if it does not. */
export function indexOf(value: Json | undefined, id: string): number {
  return stepList(value).findIndex((step) => step['id'] === id)
}

/** casesOf are the names of the cases of a choice, with that of else. */
export function casesOf(step: Step): string[] {
  const choice = asMap(step['choice'])
  const cases = Array.isArray(choice?.['cases']) ? choice['cases'] : []
  const names = cases.flatMap((each) =>
    typeof asMap(each)?.['case'] === 'string' ? [String(asMap(each)!['case'])] : [],
  )
  return typeof choice?.['else'] === 'string' ? [...names, choice['else']] : names
}

/** stepOfEdge is the id of the step of an edge "way.card". */
export function stepOfEdge(edge: string): string {
  return edge.split('.')[0]!
}

/** written is what stands under after; undefined if nothing does. */
function written(step: Step): string[] | undefined {
  const after = step['after']
  if (typeof after === 'string') return [after]
  return Array.isArray(after) ? after.filter((each): each is string => typeof each === 'string') : undefined
}

/** catchers are the steps whose refusal leads to a step. */
export function catchers(value: Json | undefined, id: string): string[] {
  return stepList(value).flatMap((step) => (step['onRefused'] === id ? [String(step['id'])] : []))
}

/** predecessors are the edges that lead to a step, defaults resolved, without those of refusals. */
export function predecessors(value: Json | undefined, id: string): string[] {
  const steps = stepList(value)
  const at = indexOf(value, id)
  if (at < 0) return []
  const said = written(steps[at]!)
  if (said) return said
  if (catchers(value, id).length > 0) return []
  return at > 0 && typeof steps[at - 1]!['id'] === 'string' ? [String(steps[at - 1]!['id'])] : []
}

/** follows says whether a step comes after another one, in one or several steps. */
export function follows(value: Json | undefined, id: string, ancestor: string): boolean {
  const seen = new Set<string>()
  const open = [id]
  while (open.length > 0) {
    const at = open.pop()!
    if (seen.has(at)) continue
    seen.add(at)
    for (const before of [...predecessors(value, at).map(stepOfEdge), ...catchers(value, at)]) {
      if (before === ancestor) return true
      open.push(before)
    }
  }
  return false
}

/** freeId makes an id that no step has. */
export function freeId(value: Json | undefined, stem: string, taken: readonly string[] = []): string {
  const ids = new Set([...idsOf(value), ...taken])
  for (let n = 1; ; n++) if (!ids.has(`${stem}${n}`)) return `${stem}${n}`
}

const stems: Record<Kind, string> = {
  call: 'call',
  message: 'send',
  worker: 'task',
  subSaga: 'part',
  timer: 'pause',
  signal: 'wait',
  approval: 'approve',
  choice: 'choose',
  loop: 'each',
  parallel: 'branch',
}

/** fresh is a new step of a kind, as complete as can be without asking. */
export function fresh(kind: Kind, id: string, value: Json | undefined): Step {
  const url = `http://127.0.0.1:9000/${id}`
  const undo = { call: { method: 'DELETE', url: `${url}/\${saga.id}` } }
  switch (kind) {
    case 'message':
      return {
        id,
        message: { topic: 'events', data: { run: '${saga.id}' } },
        compensate: { message: { topic: 'events', tag: 'revoked', data: { run: '${saga.id}' } } },
      }
    case 'worker':
      return { id, worker: { task: id }, compensate: { worker: { task: `${id}-undo` } } }
    case 'subSaga':
      return { id, subSaga: { saga: 'other' } }
    case 'timer':
      return { id, timer: { for: '5m' } }
    case 'signal':
      return { id, signal: { name: id }, timeout: '30m' }
    case 'approval':
      return { id, approval: { prompt: 'May this go on?', by: ['operator'] }, timeout: '30m' }
    case 'choice':
      return { id, choice: { cases: [{ case: 'then', when: condition(value) }], else: 'otherwise' } }
    case 'loop':
      return {
        id,
        forEach: { in: listOf(value), as: 'one' },
        call: { url: `${url}/\${index}` },
        compensate: { call: { method: 'DELETE', url: `${url}/\${index}` } },
      }
    default:
      return { id, call: { url }, compensate: undo }
  }
}

function inputs(value: Json | undefined): [string, Json][] {
  return Object.entries(asMap(asMap(asMap(value)?.['input'])?.['properties']) ?? {})
}

/** condition is one that makes sense with the input that the saga has. */
function condition(value: Json | undefined): string {
  for (const [name, schema] of inputs(value)) {
    if (!/^\w+$/.test(name)) continue
    const type = asMap(schema)?.['type']
    if (type === 'boolean') return `input.${name}`
    if (type === 'number' || type === 'integer') return `input.${name} > 100`
    if (type === 'string') return `input.${name} != ""`
  }
  return 'saga.key != ""'
}

function listOf(value: Json | undefined): string {
  const found = inputs(value).find(
    ([name, schema]) => /^\w+$/.test(name) && asMap(schema)?.['type'] === 'array',
  )
  return found ? `input.${found[0]}` : '[1, 2, 3]'
}

/** Where a new step goes: behind a step, or behind one case of a choice, or at the end. */
export interface Spot {
  readonly after?: string | undefined
  readonly case?: string | undefined
}

/** insertStep puts new steps of a kind behind a step and before all that came after it. It returns the id of the first
 * one. */
export function insertStep(editing: Editing, kind: Kind, spot: Spot = {}): string {
  const ids = idsOf(editing.value)
  const anchor = spot.after !== undefined && ids.includes(spot.after) ? spot.after : undefined
  const edge = anchor && spot.case ? `${anchor}.${spot.case}` : anchor
  const first = freeId(editing.value, stems[kind])
  const made = kind === 'parallel' ? [first, freeId(editing.value, stems[kind], [first])] : [first]
  const all = made.map((id) => fresh(kind, id, editing.value))
  if (anchor === undefined) return append(editing, kind, made, all)
  const heirs = successors(editing.value, anchor, spot.case)
  const at = indexOf(editing.value, anchor)
  const neighbour = implicitNext(editing.value, at)
  const needsAfter = spot.case !== undefined || kind === 'parallel'
  all.forEach((step, i) => {
    editing.insert(['steps'], at + 1 + i, needsAfter ? withAfter(step, [edge!]) : step)
  })
  for (const heir of heirs) {
    const now = predecessors(editing.value, heir).flatMap((each) => (each === edge ? made : [each]))
    setAfter(editing, heir, [...new Set(now)])
  }
  // What followed only because it was the next one goes on doing so, unless it followed more than the new step.
  if (neighbour !== undefined && !heirs.includes(neighbour)) {
    if (spot.case !== undefined) setAfter(editing, neighbour, [anchor])
    else if (kind === 'parallel') setAfter(editing, neighbour, made)
  }
  return first
}

function append(editing: Editing, kind: Kind, made: readonly string[], all: readonly Step[]): string {
  const ids = idsOf(editing.value)
  const last = ids.at(-1)
  const after = last === undefined ? [] : [last]
  all.forEach((step) => {
    editing.insert(
      ['steps'],
      stepList(editing.value).length,
      kind === 'parallel' ? withAfter(step, after) : step,
    )
  })
  return made[0]!
}

function withAfter(step: Step, after: readonly string[]): Step {
  const { id, ...rest } = step
  return { id: id!, after: after.length === 1 ? after[0]! : [...after], ...rest }
}

/** successors are the steps that name a step, or one of its cases, under after. */
function successors(value: Json | undefined, id: string, name?: string): string[] {
  const edge = name ? `${id}.${name}` : id
  return stepList(value).flatMap((step) => (written(step)?.includes(edge) ? [String(step['id'])] : []))
}

/** implicitNext is the step that follows the one at a place only because it stands behind it. */
function implicitNext(value: Json | undefined, at: number): string | undefined {
  const next = stepList(value)[at + 1]
  if (!next || typeof next['id'] !== 'string' || written(next) || catchers(value, next['id']).length > 0)
    return undefined
  return next['id']
}

/** setAfter has a step follow exactly these. What is so without saying is not written. */
export function setAfter(editing: Editing, id: string, after: readonly string[]): void {
  const at = indexOf(editing.value, id)
  if (at < 0) return
  const now = predecessors(editing.value, id)
  if (now.length === after.length && now.every((each, i) => each === after[i])) return
  editing.put(['steps', at, 'after'], after.length === 1 ? after[0]! : [...after])
}

/** deleteStep removes a step; what came after it comes after what came before it. */
export function deleteStep(editing: Editing, id: string): void {
  const before = predecessors(editing.value, id)
  const at = indexOf(editing.value, id)
  if (at < 0) return
  const next = implicitNext(editing.value, at)
  for (const step of stepList(editing.value)) {
    const heir = String(step['id'])
    const said = written(step)
    if (heir === id) continue
    if (said?.some((edge) => stepOfEdge(edge) === id)) {
      const now = said.flatMap((edge) => (stepOfEdge(edge) === id ? before : [edge]))
      setAfter(editing, heir, [...new Set(now)])
    }
    if (step['onRefused'] === id) editing.remove(['steps', indexOf(editing.value, heir), 'onRefused'])
  }
  editing.remove(['steps', indexOf(editing.value, id)])
  if (next !== undefined) setAfter(editing, next, before)
}

/** renameStep gives a step another id; all that speaks of it follows. */
export function renameStep(editing: Editing, from: string, to: string): void {
  editing.apply(renameStepIn(editing.source, from, to))
}

/** renameCase gives a case of a choice another name; all that speaks of it follows. */
export function renameCase(editing: Editing, step: string, from: string, to: string): void {
  editing.apply(renameCaseIn(editing.source, step, indexOf(editing.value, step), from, to))
}

/** Why two steps cannot be connected. */
export type NoEdge = 'self' | 'cycle' | 'there' | 'caught'

/** mayConnect says why a step cannot follow another one; undefined if it can. */
export function mayConnect(value: Json | undefined, edge: string, to: string): NoEdge | undefined {
  const from = stepOfEdge(edge)
  if (from === to) return 'self'
  if (predecessors(value, to).includes(edge)) return 'there'
  if (catchers(value, to).length > 0) return 'caught'
  return follows(value, from, to) ? 'cycle' : undefined
}

/** connect has a step follow another one, or a case of it, besides what it follows already. */
export function connect(editing: Editing, edge: string, to: string): NoEdge | undefined {
  const why = mayConnect(editing.value, edge, to)
  if (why) return why
  const now = predecessors(editing.value, to)
  // A choice is followed by way of one of its cases, or by all: the narrower replaces the wider.
  const kept = edge.includes('.') ? now.filter((each) => each !== stepOfEdge(edge)) : now
  setAfter(editing, to, [...kept, edge])
  return undefined
}

/** disconnect has a step not follow another one any more. An edge of a refusal is taken from where it comes. */
export function disconnect(editing: Editing, edge: string, to: string, refused = false): void {
  if (refused) {
    editing.remove(['steps', indexOf(editing.value, stepOfEdge(edge)), 'onRefused'])
    return
  }
  setAfter(
    editing,
    to,
    predecessors(editing.value, to).filter((each) => each !== edge),
  )
}

/** moveStep moves a step by one place in the document. Who followed whom stays as it was. */
export function moveStep(editing: Editing, id: string, by: -1 | 1): void {
  const steps = stepList(editing.value)
  const at = indexOf(editing.value, id)
  const other = steps[at + by]
  if (at < 0 || !other) return
  const touched = [at - 1, at, at + 1, at + 2].flatMap((i) =>
    typeof steps[i]?.['id'] === 'string' ? [String(steps[i]['id'])] : [],
  )
  const before = new Map(touched.map((each) => [each, predecessors(editing.value, each)]))
  const step = steps[at]!
  editing.remove(['steps', at])
  editing.insert(['steps'], at + by, step)
  for (const [each, after] of before)
    if (catchers(editing.value, each).length === 0) setAfter(editing, each, after)
}
