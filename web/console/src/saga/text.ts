import { parse } from 'yaml'

/** readDefinition reads the text of a definition, YAML or JSON; undefined if it is neither. */
export function readDefinition(text: string | undefined): Record<string, unknown> | undefined {
  if (!text) return undefined
  try {
    const value: unknown = parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** signalSchema is the schema of the data of a signal, by the id of the step that waits for it. */
export function signalSchema(definition: Record<string, unknown> | undefined, step: string): unknown {
  const steps = definition?.['steps']
  if (!Array.isArray(steps)) return undefined
  const found = (steps as ({ id?: unknown; signal?: { schema?: unknown } } | null)[]).find(
    (each) => each?.id === step,
  )
  return found?.signal?.schema
}
