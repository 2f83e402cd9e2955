import type { Schemas } from '@/api/client.ts'
import { branchName, wholeName } from '@/shared/actions/follow.ts'

type Detail = Schemas['TransactionDetail']
type Branch = Schemas['Branch']

/** Difference is one fact of two transactions. */
export interface Difference {
  readonly name: FactName
  readonly a: string
  readonly b: string
  readonly differs: boolean
}

export type FactName =
  | 'status'
  | 'cause'
  | 'stuckReason'
  | 'application'
  | 'group'
  | 'name'
  | 'saga'
  | 'untilDecision'
  | 'untilEnd'
  | 'branches'
  | 'attempts'
  | 'failed'
  | 'heuristic'
  | 'timeout'

/** BranchPair is the same participant in two transactions, or one that only one of them has. */
export interface BranchPair {
  readonly name: string
  readonly a: Branch | undefined
  readonly b: Branch | undefined
  readonly differs: boolean
}

/** durationOf is the time between two moments in milliseconds; NaN if one is not known. */
export function durationOf(from: string | undefined, to: string | undefined): number {
  return from && to ? Date.parse(to) - Date.parse(from) : Number.NaN
}

/** factsOf compares two transactions fact by fact. Durations are in milliseconds, empty if not known, and differ only
 * if one is more than half as long again as the other. */
export function factsOf(a: Detail, b: Detail): Difference[] {
  const text = (name: FactName, of: (d: Detail) => string | number | boolean | undefined): Difference => {
    const [x, y] = [String(of(a) ?? ''), String(of(b) ?? '')]
    return { name, a: x, b: y, differs: x !== y }
  }
  const length = (name: FactName, of: (d: Detail) => number): Difference => {
    const [x, y] = [of(a), of(b)]
    const shown = (ms: number) => (Number.isNaN(ms) ? '' : String(ms))
    return { name, a: shown(x), b: shown(y), differs: unlike(x, y) }
  }
  return [
    text('status', (d) => d.status),
    text('cause', (d) => d.cause),
    text('stuckReason', (d) => d.stuckReason),
    text('heuristic', (d) => d.heuristic ?? false),
    text('application', (d) => d.application),
    text('group', (d) => d.group),
    text('name', (d) => d.name),
    text('saga', (d) => (d.saga ? `${d.saga} ${d.sagaVersion ?? ''}`.trim() : '')),
    length('timeout', (d) => d.timeoutMs ?? Number.NaN),
    length('untilDecision', (d) => durationOf(d.beganAt, d.decidedAt)),
    length('untilEnd', (d) => durationOf(d.beganAt, d.endedAt)),
    text('branches', (d) => d.branches?.length ?? 0),
    text('attempts', (d) => (d.branches ?? []).reduce((sum, branch) => sum + (branch.attempts ?? 0), 0)),
    text('failed', (d) => (d.branches ?? []).filter((branch) => branch.failure).length),
  ]
}

function unlike(x: number, y: number): boolean {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) !== Number.isNaN(y)
  const [small, large] = x < y ? [x, y] : [y, x]
  return large - small > 10 && large > 1.5 * small
}

/** pairsOf finds the same participants in two transactions: by step, key or resource, and by their order where several
 * are called the same. */
export function pairsOf(a: Detail, b: Detail): BranchPair[] {
  const rest = new Map<string, Branch[]>()
  for (const branch of b.branches ?? []) {
    const name = likeness(branch)
    rest.set(name, [...(rest.get(name) ?? []), branch])
  }
  const pairs: BranchPair[] = (a.branches ?? []).map((branch) => {
    const other = rest.get(likeness(branch))?.shift()
    return { name: branchName(branch), a: branch, b: other, differs: !other || branchDiffers(branch, other) }
  })
  for (const left of rest.values()) {
    for (const branch of left) pairs.push({ name: branchName(branch), a: undefined, b: branch, differs: true })
  }
  return pairs
}

/** Numbers within addresses are often those of the order, not of the participant. */
function likeness(branch: Branch): string {
  return `${branch.kind ?? ''} ${wholeName(branch, '').replace(/\d+/g, '#')}`
}

function branchDiffers(a: Branch, b: Branch): boolean {
  return a.state !== b.state || a.attempts !== b.attempts || (a.failure ?? '') !== (b.failure ?? '')
}
