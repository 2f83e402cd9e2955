import { stringify } from 'yaml'
import type { Schemas } from '@/api/client.ts'
import type { Json } from './source.ts'

/** What a step can be chosen to do, in the words of the server; slow is done, but late. */
export const choices = ['done', 'refused', 'failed', 'lost', 'unreachable', 'slow', 'ongoing'] as const
export type Choice = (typeof choices)[number]

/** Wish is what was chosen for a step or for what undoes it. */
export interface Wish {
  readonly does: Choice
  /** How many times, before it is done; 0: always. Of failed, lost, unreachable, and ongoing. */
  readonly times: number
  /** How long it takes, for slow. */
  readonly after?: string
}

/** Scenario is what a simulation is asked for. Wishes are by step, with ".undo" for its compensation. */
export interface Scenario {
  /** JSON, as a person wrote it. */
  readonly input: string
  readonly wishes: Readonly<Record<string, Wish>>
  readonly bodies: Readonly<Record<string, Json>>
  readonly random: boolean
  readonly seed: number
  readonly runs: number
}

export const calm: Scenario = { input: '{}', wishes: {}, bodies: {}, random: false, seed: 1, runs: 1 }

/** withWish chooses for a step; done without a delay is what happens anyway, and is no wish. */
export function withWish(scenario: Scenario, step: string, wish: Wish | undefined): Scenario {
  const wishes = { ...scenario.wishes }
  if (!wish || wish.does === 'done') delete wishes[step]
  else wishes[step] = wish
  return { ...scenario, wishes }
}

/** usual is what a choice begins with. */
export function usual(does: Choice): Wish {
  switch (does) {
    case 'failed':
      return { does, times: 2 }
    case 'unreachable':
    case 'ongoing':
      return { does, times: 3 }
    case 'slow':
      return { does, times: 0, after: '30s' }
    default:
      return { does, times: 0 }
  }
}

/** outcomeOf is a wish in the language of tests. */
export function outcomeOf(wish: Wish): Json {
  if (wish.does === 'slow') return { outcome: 'done', after: wish.after ?? '30s' }
  return wish.times > 0 ? `${wish.does} x${wish.times}` : wish.does
}

function outcomesOf(scenario: Scenario): Record<string, Json> {
  return Object.fromEntries(Object.entries(scenario.wishes).map(([step, wish]) => [step, outcomeOf(wish)]))
}

/** requestOf is the body for the server. It throws if the input is no JSON. */
export function requestOf(text: string, scenario: Scenario): Schemas['SagaScenario'] {
  const outcomes = outcomesOf(scenario)
  return {
    definition: text,
    input: JSON.parse(scenario.input || 'null') as Json,
    ...(Object.keys(outcomes).length > 0 ? { outcomes } : {}),
    ...(Object.keys(scenario.bodies).length > 0 ? { bodies: scenario.bodies } : {}),
    ...(scenario.random ? { seed: scenario.seed } : {}),
    ...(scenario.random && scenario.runs > 1 ? { runs: scenario.runs } : {}),
  }
}

/** sampleOf makes a value that fits a JSON Schema, as far as simple ones go. */
export function sampleOf(schema: Json | undefined, depth = 0): Json {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || depth > 8) return {}
  if ('default' in schema) return schema['default']!
  if ('const' in schema) return schema['const']!
  if (Array.isArray(schema['examples']) && schema['examples'].length > 0) return schema['examples'][0]!
  if (Array.isArray(schema['enum']) && schema['enum'].length > 0) return schema['enum'][0]!
  const type = Array.isArray(schema['type']) ? schema['type'][0] : schema['type']
  const number = (key: string) => (typeof schema[key] === 'number' ? schema[key] : undefined)
  switch (type) {
    case 'string':
      return sampleText(schema)
    case 'integer':
    case 'number': {
      const least =
        number('minimum') ??
        (number('exclusiveMinimum') === undefined ? undefined : number('exclusiveMinimum')! + 1)
      return Math.min(Math.max(least ?? 1, 1), number('maximum') ?? Infinity)
    }
    case 'boolean':
      return true
    case 'null':
      return null
    case 'array':
      return Array.from({ length: Math.max(1, Math.min(number('minItems') ?? 1, 5)) }, () =>
        sampleOf(schema['items'] ?? {}, depth + 1),
      )
    default:
      return sampleMap(schema, depth)
  }
}

function sampleText(schema: { [key: string]: Json }): string {
  const format = schema['format']
  if (format === 'date-time') return '2026-01-31T09:00:00Z'
  if (format === 'date') return '2026-01-31'
  if (format === 'uuid') return '00000000-0000-4000-8000-000000000000'
  if (schema['pattern'] === '^[0-9]{4}-[0-9]{2}$') return '2026-01'
  const least = typeof schema['minLength'] === 'number' ? schema['minLength'] : 1
  return 'sample'.padEnd(least, 'x')
}

function sampleMap(schema: { [key: string]: Json }, depth: number): Json {
  const properties = schema['properties']
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) return {}
  return Object.fromEntries(Object.entries(properties).map(([key, each]) => [key, sampleOf(each, depth + 1)]))
}

/** quote writes a text so that a shell takes it as one word. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** commandOf is what does the same at a shell. */
export function commandOf(file: string, scenario: Scenario): string {
  const words = ['concord', 'saga', 'simulate', quote(file)]
  if (scenario.input && scenario.input.trim() !== '{}') words.push('--input', quote(compact(scenario.input)))
  for (const [step, wish] of Object.entries(scenario.wishes)) {
    if (wish.does !== 'slow') words.push('--outcome', quote(`${step}=${String(outcomeOf(wish))}`))
  }
  for (const [step, body] of Object.entries(scenario.bodies))
    words.push('--body', quote(`${step}=${JSON.stringify(body)}`))
  if (scenario.random) words.push('--seed', String(scenario.seed))
  if (scenario.random && scenario.runs > 1) words.push('--runs', String(scenario.runs))
  return words.join(' ')
}

/** plain says whether a command line can say all of a scenario; a test file always can. */
export function plain(scenario: Scenario): boolean {
  return Object.values(scenario.wishes).every((wish) => wish.does !== 'slow')
}

function compact(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return text
  }
}

/** testOf writes a file for `concord saga test`: the scenario, and as what is expected what has come of it. */
export function testOf(
  name: string,
  file: string,
  scenario: Scenario,
  result: Schemas['SimulatedRun'],
): string {
  const outcomes = outcomesOf(scenario)
  const test: Record<string, unknown> = { test: name, saga: file }
  if (scenario.input.trim() && scenario.input.trim() !== 'null') test['input'] = JSON.parse(scenario.input)
  if (Object.keys(outcomes).length > 0) test['outcomes'] = outcomes
  if (Object.keys(scenario.bodies).length > 0) test['bodies'] = scenario.bodies
  if (scenario.random) test['seed'] = scenario.seed
  test['expect'] = {
    end: result.end,
    ...(result.failure ? { failure: result.failure } : {}),
    order: result.order ?? [],
    ...(result.output === undefined || result.output === null ? {} : { output: result.output }),
  }
  return stringify(test, { lineWidth: 0, compat: 'yaml-1.1' })
}
