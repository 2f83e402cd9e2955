import type { Schemas } from '@/api/client.ts'
import type { Paint, Paints } from '@/saga/graph/paint.ts'
import { idsOf } from './steps.ts'
import {
  endOf,
  nodeAt,
  pathAt,
  placeOf,
  pointerPath,
  startOf,
  stepList,
  type Path,
  type Source,
} from './source.ts'

export type Severity = 'error' | 'warning' | 'hint'

/** Finding is one thing that is wrong or could be better, with its place in the text. */
export interface Finding {
  readonly rule: string
  readonly severity: Severity
  readonly text: string
  readonly advice: string
  readonly line: number
  readonly column: number
  readonly from: number
  readonly to: number
  /** The step that it is about. */
  readonly step?: string | undefined
  readonly path?: string | undefined
}

/** placed gives findings of the server their places in a text: of what their path says, else of line and column. */
export function placed(source: Source, found: readonly Schemas['SagaFinding'][]): Finding[] {
  return found.map((each) => {
    const path = pointerPath(each.path ?? '')
    const node = each.path ? nodeAt(source.root, path) : undefined
    const start = each.line ? placeOf(source.text, each.line, each.column ?? 1) : node ? startOf(node) : 0
    const fits =
      node &&
      startOf(node) <= start &&
      start < endOf(node) &&
      !source.text.slice(start, endOf(node)).includes('\n')
    const to = fits ? endOf(node) : wordEnd(source.text, start)
    const steps = path[0] === 'steps' && typeof path[1] === 'number' ? path : pathAt(source.root, start)
    return {
      rule: each.rule ?? '',
      severity: each.severity ?? 'error',
      text: each.text ?? '',
      advice: each.advice ?? '',
      line: each.line ?? lineOf(source.text, start),
      column: each.column ?? 1,
      from: start,
      to: Math.max(to, Math.min(start + 1, source.text.length)),
      step: stepOf(source, steps),
      path: each.path,
    }
  })
}

/** unreadable are the findings of a text that cannot be read, known without asking anybody. */
export function unreadable(source: Source): Finding[] {
  return source.problems.map((problem) => ({
    rule: 'syntax',
    severity: 'error' as const,
    text: problem.text,
    advice: '',
    line: lineOf(source.text, problem.from),
    column: problem.from - source.text.lastIndexOf('\n', problem.from - 1),
    from: problem.from,
    to: problem.to,
    step: undefined,
  }))
}

/** misnamed is the finding that the text calls the saga otherwise than the draft, which cannot be published. */
export function misnamed(source: Source, draft: string, text: string, advice: string): Finding[] {
  const node = nodeAt(source.root, ['name'])
  const name = node?.toJSON() as unknown
  if (!node || typeof name !== 'string' || name === '' || name === draft) return []
  const [from, to] = [startOf(node), endOf(node)]
  const column = from - source.text.lastIndexOf('\n', from - 1)
  const line = lineOf(source.text, from)
  return [
    {
      rule: 'bad-name',
      severity: 'error',
      text,
      advice,
      line,
      column,
      from,
      to,
      step: undefined,
      path: '/name',
    },
  ]
}

function lineOf(text: string, at: number): number {
  let n = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) n++
  return n
}

function wordEnd(text: string, at: number): number {
  const word = /^[\w.$/-]+|^[^\s]/.exec(text.slice(at))
  return at + (word?.[0].length ?? 1)
}

/** stepOf is the id of the step in which a path lies. */
export function stepOf(source: Source, path: Path): string | undefined {
  if (path[0] !== 'steps' || typeof path[1] !== 'number') return undefined
  const id = stepList(source.value)[path[1]]?.['id']
  return typeof id === 'string' ? id : undefined
}

const order: readonly Severity[] = ['error', 'warning', 'hint']

/** countsOf counts findings by severity. */
export function countsOf(findings: readonly Finding[]): Record<Severity, number> {
  const out = { error: 0, warning: 0, hint: 0 }
  for (const each of findings) out[each.severity]++
  return out
}

/** paintFindings puts findings on the steps that they are about, beside what is painted there already. */
export function paintFindings(source: Source, findings: readonly Finding[], paints: Paints = {}): Paints {
  const known = new Set(idsOf(source.value))
  const out: Record<string, Paint> = { ...paints }
  const byStep = new Map<string, Finding[]>()
  for (const each of findings) {
    if (each.step && known.has(each.step)) byStep.set(each.step, [...(byStep.get(each.step) ?? []), each])
  }
  for (const [step, all] of byStep) {
    const severity = order.find((one) => all.some((each) => each.severity === one))!
    out[step] = { ...out[step], findings: { severity, texts: all.map((each) => each.text) } }
  }
  return out
}
