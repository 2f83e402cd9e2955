import schema from '../../../../../saga/definition/schema.json'
import type { Path } from './source.ts'

/** Shape is a part of the published JSON Schema of the language. */
export interface Shape {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, Shape>>
  readonly additionalProperties?: boolean | Shape
  readonly required?: readonly string[]
  readonly items?: Shape
  readonly enum?: readonly string[]
  readonly oneOf?: readonly Shape[]
  readonly const?: unknown
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly pattern?: string
}

const root = schema as unknown as Shape
const defs = (schema as unknown as { $defs: Record<string, Shape> }).$defs

/** solved follows a reference. A description beside it stays. */
export function solved(shape: Shape): Shape {
  if (!shape.$ref) return shape
  const target = defs[shape.$ref.slice('#/$defs/'.length)] ?? {}
  return { ...target, ...(shape.description ? { description: shape.description } : {}) }
}

/** nameOfShape is the name of what a shape refers to: "duration", "expression"; "" if it refers to nothing. */
export function nameOfShape(shape: Shape): string {
  return shape.$ref?.slice('#/$defs/'.length) ?? ''
}

/** rawShapeAt is the shape of a path, as it is referred to; undefined where the language has nothing to say. */
export function rawShapeAt(path: Path): Shape | undefined {
  let shape: Shape | undefined = root
  for (const key of path) {
    const here: Shape = solved(shape)
    if (typeof key === 'number') shape = here.items ?? here.oneOf?.find((each) => each.items)?.items
    else
      shape =
        here.properties?.[key] ??
        (typeof here.additionalProperties === 'object' ? here.additionalProperties : undefined)
    if (!shape) return undefined
  }
  return shape
}

/** shapeAt is the shape of a path with references followed. */
export function shapeAt(path: Path): Shape | undefined {
  const shape = rawShapeAt(path)
  return shape && solved(shape)
}

/** keysAt are the keys that the map at a path may have. */
export function keysAt(path: Path): readonly (readonly [string, Shape])[] {
  const shape = shapeAt(path)
  return Object.entries(shape?.properties ?? {}).map(([key, each]) => [key, solved(each)] as const)
}

/** valuesAt are the words that may stand at a path. */
export function valuesAt(path: Path): readonly string[] {
  const shape = shapeAt(path)
  if (shape?.enum) return shape.enum
  if (shape?.type === 'boolean') return ['true', 'false']
  return shape?.const === undefined ? [] : [String(shape.const)]
}
