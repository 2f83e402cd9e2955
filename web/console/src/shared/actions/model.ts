import type { Schemas } from '@/api/client.ts'
import type { Role } from '@/api/session.ts'
import type { Tone } from '../StatusBadge.tsx'

/** What an operation does to the world, in words. */
export interface Consequence {
  readonly kind: 'decides' | 'calls' | 'frees' | 'publishes' | 'leaves' | 'does' | 'warns'
  readonly text: string
  /** What exactly, a line each: addresses, rows, topics. */
  readonly items?: readonly string[]
}

/** Planned is what would happen, before anything does. */
export interface Planned {
  /** The status now, and the one when all has succeeded. */
  readonly from?: Schemas['Status'] | undefined
  readonly to?: Schemas['Status'] | undefined
  readonly consequences: readonly Consequence[]
  /** What the operation is sent with, so that nothing else is carried out than what was shown. */
  readonly digest?: string
}

/** A participant that was asked, and what came of it. */
export interface Line {
  readonly id: string
  readonly name: string
  readonly state: 'waiting' | 'asked' | 'done' | 'refused' | 'failed' | 'unasked' | 'ongoing' | 'left'
  /** What it said, verbatim. */
  readonly said?: string | undefined
  /** When it is asked again. */
  readonly again?: string | undefined
}

/** Progress is how far an operation has come: what is accepted is not attempted yet, and what is attempted has no
 * result yet. */
export interface Progress {
  /** What has been accepted, in words. */
  readonly accepted: string
  readonly attempted: { readonly state: 'waiting' | 'working' | 'done' | 'none'; readonly text: string }
  readonly result: { readonly state: 'waiting' | Tone; readonly text: string }
  readonly lines: readonly Line[]
  /** Whether nothing more is expected of what was asked for. */
  readonly over: boolean
}

/** Following tells progress until the function that it returns is called. */
export type Following = (tell: (progress: Progress) => void) => () => void

/** What an operation was answered with: it runs, or somebody else has to approve it first. */
export type Sent =
  | { readonly progress: Progress; readonly follow?: Following }
  | { readonly approval: Schemas['Approval']; readonly follow?: Following }

/** A value that is asked for besides the reason. */
export interface Field {
  readonly name: string
  readonly label: string
  readonly help?: string
  /** Json is checked before it is sent; lines is any text. */
  readonly kind: 'json' | 'text' | 'number'
  readonly initial?: string
  readonly required?: boolean
}

/** What the person has given. */
export interface Given {
  readonly digest: string
  readonly reason: string
  readonly fields: Readonly<Record<string, string>>
  /** The same for all attempts to send one wish, so that it is carried out once. */
  readonly key: string
}

/** Action is something that a person can have done: planned, sent and followed by an ActionDialog. */
export interface Action {
  /** What is done, as a title: "Retry transaction 4194305". */
  readonly title: string
  /** What it is done to, whole: the xid, the group and the letter. */
  readonly subject: string
  /** What it means, in a sentence or two. */
  readonly text?: string | undefined
  /** The word on the button. */
  readonly verb: string
  readonly role: Role
  /** For what cannot be taken back: what has to be typed before it is sent. */
  readonly confirm?: string | undefined
  /** The server wants a reason of most; optional ones are kept in the journal as well. */
  readonly reason: 'required' | 'optional' | 'none'
  readonly fields?: readonly Field[]
  readonly plan: (signal: AbortSignal) => Promise<Planned>
  readonly send: (given: Given) => Promise<Sent>
}
