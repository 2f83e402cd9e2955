import type { Editing } from './editing.ts'
import type { Json, Path } from './source.ts'
import type { Kind, Spot } from './steps.ts'

/** Acts are what the canvas, the palette and the forms can do with the document. */
export interface Acts {
  /** Changes the document as one step of the history; said is told to those who do not see it. */
  readonly edit: <T>(change: (editing: Editing) => T, said?: string) => T | undefined
  readonly put: (path: Path, value: Json | undefined) => void
  readonly insert: (kind: Kind, spot?: Spot) => void
  readonly remove: (id: string) => void
  readonly rename: (from: string, to: string) => void
  readonly renameCase: (step: string, from: string, to: string) => void
  readonly connect: (edge: string, to: string) => void
  readonly disconnect: (edge: string, to: string, refused?: boolean) => void
}
