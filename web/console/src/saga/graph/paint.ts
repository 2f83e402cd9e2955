import type { Tone } from '@/shared/StatusBadge.tsx'

/** PaintState is how far a step is, in a run, in a simulation, or on the path of a counter-example. */
export type PaintState =
  | 'idle'
  | 'pending'
  | 'running'
  | 'retrying'
  | 'waiting'
  | 'done'
  | 'refused'
  | 'unknown'
  | 'skipped'
  | 'abandoned'
  | 'undoing'
  | 'undone'
  | 'undoRefused'

/** Paint is what is shown on a step besides the step itself. All of it is optional. */
export interface Paint {
  readonly state?: PaintState
  readonly attempts?: number
  readonly durationMs?: number
  /** It is what the run is at now: marked strongly. */
  readonly current?: boolean
  readonly failure?: string
  /** Done by the word of a person. */
  readonly byHand?: boolean
  /** Of the items of a loop, or the turns of a repetition: how many are done of how many. */
  readonly items?: { readonly done: number; readonly of: number; readonly failed: number }
  /** The case that a choice took. */
  readonly took?: string
  /** Its places on a path, from 1. */
  readonly positions?: readonly number[]
  /** How it differs from another version. */
  readonly change?: 'added' | 'removed' | 'changed'
  /** The worst of what was found in it, and all of it in words. */
  readonly findings?: { readonly severity: 'error' | 'warning' | 'hint'; readonly texts: readonly string[] }
  /** A short text below the rest, such as a chosen failure. */
  readonly note?: string
}

/** Paints are paints by the path of the step: its id, behind those of the sub-sagas: "trip/hotel". */
export type Paints = Readonly<Record<string, Paint>>

const tones: Record<PaintState, Tone> = {
  idle: 'idle',
  pending: 'work',
  running: 'work',
  retrying: 'warn',
  waiting: 'work',
  done: 'good',
  refused: 'bad',
  unknown: 'warn',
  skipped: 'idle',
  abandoned: 'idle',
  undoing: 'undo',
  undone: 'undo',
  undoRefused: 'bad',
}

/** paintTone is the tone of a state. */
export function paintTone(state: PaintState): Tone {
  return tones[state]
}
