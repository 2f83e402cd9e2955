/** FormField is a field of a form that a JSON Schema describes. */
export interface FormField {
  readonly name: string
  readonly label: string
  readonly kind: 'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'json'
  readonly required: boolean
  readonly help: string
  readonly options: readonly string[]
}

/** Entered is what has been typed, by the name of the field. Fields that are not there are left out of the value. */
export type Entered = Readonly<Record<string, string>>

type Json = Record<string, unknown>

function record(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

/** fieldsOf makes a form of the schema of an object; undefined if it describes no object with properties, for which
 * there is only a field for JSON. The server judges what is entered: this only saves typing. */
export function fieldsOf(schema: unknown): FormField[] | undefined {
  const root = record(schema)
  const properties = record(root?.['properties'])
  if (!root || !properties || !allows(root['type'], 'object') || Object.keys(properties).length > 40)
    return undefined
  const required = Array.isArray(root['required']) ? root['required'] : []
  return Object.entries(properties).map(([name, each]) =>
    field(name, record(each) ?? {}, required.includes(name)),
  )
}

function allows(type: unknown, wanted: string): boolean {
  return type === undefined || type === wanted || (Array.isArray(type) && type.includes(wanted))
}

function field(name: string, property: Json, required: boolean): FormField {
  const options = Array.isArray(property['enum']) ? property['enum'] : []
  const plain = options.length > 0 && options.every((option) => typeof option === 'string')
  return {
    name,
    label: typeof property['title'] === 'string' ? property['title'] : name,
    kind: plain ? 'choice' : kindOf(property['type']),
    required,
    help: [property['description'], bounds(property)].filter(Boolean).join(' · '),
    options: plain ? (options as string[]) : [],
  }
}

function kindOf(type: unknown): FormField['kind'] {
  const types = (Array.isArray(type) ? type : [type]).filter((each) => each !== 'null')
  switch (types.length === 1 ? types[0] : undefined) {
    case 'string':
      return 'text'
    case 'number':
      return 'number'
    case 'integer':
      return 'integer'
    case 'boolean':
      return 'boolean'
    default:
      return 'json'
  }
}

/** bounds says in short what a value has to be. */
function bounds(property: Json): string {
  const out: string[] = []
  if (typeof property['pattern'] === 'string') out.push(property['pattern'])
  if (property['minimum'] !== undefined) out.push(`≥ ${String(property['minimum'])}`)
  if (property['maximum'] !== undefined) out.push(`≤ ${String(property['maximum'])}`)
  if (typeof property['format'] === 'string') out.push(property['format'])
  return out.join(', ')
}

/** Read is what was entered as a value, or what cannot be read of it, by the name of the field. */
export type Read = { readonly value: unknown } | { readonly wrong: Readonly<Record<string, Wrong>> }

type Wrong = 'missing' | 'notJson' | 'notNumber'

/** valueOf reads what was entered into a form. */
export function valueOf(fields: readonly FormField[], entered: Entered): Read {
  const value: Json = {}
  const wrong: Record<string, Wrong> = {}
  for (const { name, kind, required } of fields) {
    const text = entered[name]
    if (text === undefined || (text.trim() === '' && kind !== 'text') || (text === '' && !required)) {
      if (required && kind !== 'text') wrong[name] = 'missing'
      else if (required && !text) wrong[name] = 'missing'
      continue
    }
    if (kind === 'json') {
      const read = readJson(text)
      if ('wrong' in read) wrong[name] = 'notJson'
      else value[name] = read.value
    } else if (kind === 'number' || kind === 'integer') {
      const number = Number(text)
      if (Number.isFinite(number)) value[name] = number
      else wrong[name] = 'notNumber'
    } else value[name] = kind === 'boolean' ? text === 'true' : text
  }
  return Object.keys(wrong).length > 0 ? { wrong } : { value }
}

/** readJson reads a text as JSON. */
export function readJson(text: string): { value: unknown } | { wrong: string } {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (wrong) {
    return { wrong: wrong instanceof Error ? wrong.message : String(wrong) }
  }
}

/** exampleOf is a value that a schema may want, to begin with. */
export function exampleOf(schema: unknown): string {
  const fields = fieldsOf(schema)
  if (!fields) return '{}'
  const empty = { text: '', number: 0, integer: 0, boolean: false, choice: '', json: null }
  const value = Object.fromEntries(
    fields.filter((each) => each.required).map((each) => [each.name, each.options[0] ?? empty[each.kind]]),
  )
  return JSON.stringify(value, null, 2)
}

/** Complaint is what the server says about a part of the data. */
export interface Complaint {
  readonly path?: string
  readonly text?: string
}

/** complaintsOf sorts what the server says by the field that it is about; '' has what is about none. */
export function complaintsOf(findings: unknown, fields: readonly FormField[]): Record<string, string> {
  const out: Record<string, string> = {}
  if (!Array.isArray(findings)) return out
  for (const finding of findings as Complaint[]) {
    const [, first = '', ...rest] = (finding.path ?? '').split('/')
    const name = fields.some((each) => each.name === first) ? first : ''
    const text =
      name && rest.length === 0 ? (finding.text ?? '') : `${finding.path ?? ''} ${finding.text ?? ''}`.trim()
    out[name] = out[name] ? `${out[name]}; ${text}` : text
  }
  return out
}
