/** GraphStep is a step as the graph draws it. The API's SagaStep is one. */
export interface GraphStep {
  readonly id: string
  /** A word of the language (call, message, worker, subSaga, timer, signal, approval, choice), or of Seata's. */
  readonly kind: string
  readonly title?: string | undefined
  readonly target?: string | undefined
  /** The predecessors, defaults resolved; "way.card" is the case card of the choice way. */
  readonly after: readonly string[]
  readonly when?: string | undefined
  readonly forEach?: string | undefined
  readonly repeat?: boolean | undefined
  readonly cases?: readonly string[] | undefined
  /** compensate, continue, or the step that follows then. */
  readonly onRefused?: string | undefined
  /** The kind of what undoes it; of Seata's states the name of the state that does. */
  readonly compensate?: string | undefined
  readonly readOnly?: boolean | undefined
  readonly pivot?: boolean | undefined
}

/** GraphEdge leads from a step to one that comes after it. */
export interface GraphEdge {
  readonly from: string
  readonly to: string
  /** next: when it has ended; case: if the choice goes this way; refused: if it was refused; undo: what undoes it,
   * where that is a state of its own, as in Seata's language. */
  readonly kind: 'next' | 'case' | 'refused' | 'undo'
  /** The name of the case. */
  readonly label?: string
}

/** GraphModel is what is drawn: steps and the edges between them. */
export interface GraphModel {
  readonly steps: readonly GraphStep[]
  readonly edges: readonly GraphEdge[]
}

const kinds = ['call', 'message', 'worker', 'subSaga', 'timer', 'signal', 'approval', 'choice'] as const

type Json = Record<string, unknown>

function record(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** stepsOf reads the steps of a definition that is JSON by now. It takes whatever makes sense, because people are still
 * typing: what is no step is left out, and of two with one id the first one counts. */
export function stepsOf(definition: unknown): GraphStep[] {
  const list = record(definition)?.['steps']
  if (!Array.isArray(list)) return []
  const seen = new Set<string>()
  const written: Json[] = []
  for (const each of list) {
    const step = record(each)
    const id = text(step?.['id'])
    if (!step || !id || seen.has(id)) continue
    seen.add(id)
    written.push(step)
  }
  const caught = catches(written)
  return written.map((step, i) => read(step, predecessors(step, i, written, caught)))
}

/** catches says which steps lead to a step by being refused. */
function catches(steps: readonly Json[]): Map<string, string[]> {
  const out = new Map<string, string[]>()
  for (const step of steps) {
    const to = text(step['onRefused'])
    if (to && to !== 'compensate' && to !== 'continue')
      out.set(to, [...(out.get(to) ?? []), String(step['id'])])
  }
  return out
}

/** predecessors resolves what the language leaves unsaid: those that are refused into it, else `after`, else the step
 * before it in the document. */
function predecessors(step: Json, i: number, steps: readonly Json[], caught: Map<string, string[]>): string[] {
  const after = step['after']
  const list = Array.isArray(after) ? after.flatMap((each) => text(each) ?? []) : undefined
  const said = typeof after === 'string' ? [after] : list
  const refused = caught.get(String(step['id']))
  if (refused) return [...refused, ...(said ?? [])]
  if (said) return said
  return i > 0 ? [String(steps[i - 1]!['id'])] : []
}

function read(step: Json, after: string[]): GraphStep {
  const kind = kinds.find((k) => k in step) ?? 'call'
  const undo = record(step['compensate'])
  return {
    id: String(step['id']),
    kind,
    after,
    title: text(step['title']),
    target: targetOf(kind, step[kind]),
    when: text(step['when']) ?? (typeof step['when'] === 'boolean' ? String(step['when']) : undefined),
    forEach: text(record(step['forEach'])?.['in']),
    repeat: record(step['repeat']) !== undefined,
    cases: kind === 'choice' ? casesOf(step['choice']) : undefined,
    onRefused: text(step['onRefused']) ?? 'compensate',
    compensate: undo ? (kinds.find((k) => k in undo) ?? 'call') : undefined,
    readOnly: step['readOnly'] === true,
    pivot: step['pivot'] === true,
  }
}

function casesOf(choice: unknown): string[] {
  const cases = record(choice)?.['cases']
  const named = Array.isArray(cases) ? cases.flatMap((each) => text(record(each)?.['case']) ?? []) : []
  const other = text(record(choice)?.['else'])
  return other ? [...named, other] : named
}

/** targetOf is what a step turns to, in short. */
function targetOf(kind: string, value: unknown): string | undefined {
  const target = record(value) ?? {}
  switch (kind) {
    case 'call':
      return `${text(target['method']) ?? 'POST'} ${text(target['url']) ?? ''}`.trim()
    case 'message':
      return text(target['topic'])
    case 'worker':
      return text(target['task'])
    case 'subSaga':
      return text(target['saga'])
    case 'signal':
      return text(target['name'])
    case 'timer':
      return text(target['for']) ?? text(target['until'])
    case 'approval':
      return text(target['prompt'])
    default:
      return undefined
  }
}

/** modelOf makes what is drawn of steps: an edge for each predecessor that exists. */
export function modelOf(steps: readonly GraphStep[]): GraphModel {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const edges: GraphEdge[] = []
  for (const step of steps) {
    const seen = new Set<string>()
    for (const after of step.after ?? []) {
      const edge = edgeOf(after, step.id, byId)
      const key = `${edge?.from} ${edge?.label}`
      if (!edge || seen.has(key)) continue
      seen.add(key)
      edges.push(edge)
    }
    const undo = step.compensate
    if (undo && undo !== step.id && byId.has(undo)) edges.push({ from: step.id, to: undo, kind: 'undo' })
  }
  return { steps, edges }
}

function edgeOf(after: string, to: string, byId: ReadonlyMap<string, GraphStep>): GraphEdge | undefined {
  const from = byId.get(after)
  if (from) return { from: after, to, kind: from.onRefused === to ? 'refused' : 'next' }
  const dot = after.indexOf('.')
  const choice = after.slice(0, dot)
  return dot > 0 && byId.has(choice)
    ? { from: choice, to, kind: 'case', label: after.slice(dot + 1) }
    : undefined
}

/** startsOf are the steps that begin at once, endsOf those after which nothing comes. */
export function startsOf({ steps, edges }: GraphModel): string[] {
  const led = new Set(edges.map((edge) => edge.to))
  return steps.filter((step) => !led.has(step.id)).map((step) => step.id)
}

export function endsOf({ steps, edges }: GraphModel): string[] {
  const leads = new Set(edges.filter((edge) => edge.kind !== 'undo').map((edge) => edge.from))
  const undoes = new Set(edges.filter((edge) => edge.kind === 'undo').map((edge) => edge.to))
  return steps.filter((step) => !leads.has(step.id) && !undoes.has(step.id)).map((step) => step.id)
}

/** inOrder has each step behind its predecessors where that is possible, and otherwise as in the document. */
export function inOrder({ steps, edges }: GraphModel): GraphStep[] {
  const before = new Map(steps.map((step) => [step.id, new Set<string>()]))
  for (const edge of edges) before.get(edge.to)?.add(edge.from)
  const out: GraphStep[] = []
  const done = new Set<string>()
  let left = [...steps]
  while (left.length > 0) {
    const at = left.findIndex((step) => [...before.get(step.id)!].every((id) => done.has(id)))
    const [step] = left.splice(Math.max(0, at), 1)
    done.add(step!.id)
    out.push(step!)
  }
  return out
}

/** shortTarget is a target without what takes room and says little: the scheme and host of an address. */
export function shortTarget(target: string): string {
  return target.replace(/^([A-Z]+ )?https?:\/\/[^/]*/, (_whole, method?: string) => method ?? '') || target
}
