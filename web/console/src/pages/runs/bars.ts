import type { PaintState } from '@/saga/graph'
import { stateOf, type Run, type RunStep } from './paint.ts'

/** Attempt is one that has ended and is told of. */
export interface Attempt {
  readonly at: number
  readonly good: boolean
  readonly attempt?: number
  readonly tookMs?: number
  readonly text: string
}

/** Span is a stretch of time in which a step went forward or was undone; it has no end while it goes on. */
export interface Span {
  readonly from: number
  readonly to?: number
  readonly attempts: readonly Attempt[]
}

/** Bar is a step over time. */
export interface Bar {
  readonly branch: string
  readonly name: string
  readonly id: string
  readonly state: PaintState
  readonly forward: Span
  readonly undo?: Span
}

const ends = new Set(['stepDone', 'stepRefused', 'finished', 'refused', 'attemptFailed', 'retriesUsedUp'])

/** barsOf shows when each step of a run went forward and was undone, with the attempts that are told of. */
export function barsOf(run: Run): Bar[] {
  const decided = run.decidedAt ? Date.parse(run.decidedAt) : undefined
  const attempts = new Map<string, Told>()
  let undoing = false
  for (const event of run.timeline ?? []) {
    undoing ||= event.event === 'rollbackDecided'
    if (!event.step || !ends.has(event.event ?? '')) continue
    const of = attempts.get(event.step) ?? { forward: [], undo: [] }
    attempts.set(event.step, of)
    of[undoing ? 'undo' : 'forward'].push({
      at: Date.parse(event.at ?? ''),
      good: event.event === 'stepDone' || event.event === 'finished',
      text: event.text ?? '',
      ...(event.attempt ? { attempt: event.attempt } : {}),
      ...(event.tookMs ? { tookMs: event.tookMs } : {}),
    })
  }
  return (run.steps ?? []).map((step) => barOf(step, attempts.get(step.name ?? ''), decided, run))
}

interface Told {
  forward: Attempt[]
  undo: Attempt[]
}

function barOf(step: RunStep, told: Told | undefined, decided: number | undefined, run: Run): Bar {
  const from = Date.parse(step.startedAt ?? run.beganAt ?? '')
  const ended = step.endedAt ? Date.parse(step.endedAt) : undefined
  const open = ['pending', 'running', 'retrying', 'waiting'].includes(step.state ?? '')
  const to = ended ?? (open ? undefined : (told?.forward.at(-1)?.at ?? decided ?? from))
  return {
    branch: step.branch ?? '',
    name: step.name ?? '',
    id: step.id ?? '',
    state: stateOf(step),
    forward: { from, attempts: told?.forward ?? [], ...(to === undefined ? {} : { to }) },
    ...(step.undo && decided !== undefined ? { undo: undoOf(step, told?.undo ?? [], decided) } : {}),
  }
}

function undoOf(step: RunStep, attempts: Attempt[], decided: number): Span {
  const first = attempts[0]
  const from = Math.max(decided, first ? first.at - (first.tookMs ?? 0) : decided)
  const ended = step.undo?.endedAt ? Date.parse(step.undo.endedAt) : undefined
  const over = step.undo?.state === 'refused' ? (attempts.at(-1)?.at ?? from) : undefined
  const to = ended ?? over
  return { from, attempts, ...(to === undefined ? {} : { to }) }
}

/** Scale says where a moment is between the begin and the end, from 0 to 1. */
export interface Scale {
  readonly from: number
  readonly to: number
  readonly at: (time: number) => number
}

/** scaleOf reaches over all bars; what goes on reaches to now. */
export function scaleOf(bars: readonly Bar[], began: number, now: number): Scale {
  let to = began + 1
  for (const bar of bars) {
    for (const span of [bar.forward, bar.undo]) if (span) to = Math.max(to, span.to ?? now)
  }
  return { from: began, to, at: (time) => Math.min(1, Math.max(0, (time - began) / (to - began))) }
}

const rounds = [1, 2, 5]

/** ticksOf are round moments after the begin, in milliseconds, about as many as are asked for. */
export function ticksOf(length: number, about = 6): number[] {
  const units = [1, 10, 100, 1000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000, 86_400_000, 864_000_000]
  const steps = units.flatMap((unit) => rounds.map((round) => unit * round))
  const step = steps.find((each) => length / each <= about) ?? length
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, i) => i * step)
}
