import { describe, expect, it } from 'vitest'
import { complaintsOf, exampleOf, fieldsOf, readJson, valueOf } from './schema.ts'

const schema = {
  type: 'object',
  required: ['order', 'total', 'parts'],
  properties: {
    order: { type: 'string', title: 'Order', description: 'its number', pattern: '^o-' },
    total: { type: 'number', minimum: 0 },
    count: { type: ['integer', 'null'] },
    fast: { type: 'boolean' },
    way: { enum: ['card', 'invoice'] },
    parts: { type: 'array' },
  },
}
const fields = fieldsOf(schema)!

describe('a form of a schema', () => {
  it('has a field for each property', () => {
    expect(fields.map((each) => [each.name, each.kind, each.required])).toEqual([
      ['order', 'text', true],
      ['total', 'number', true],
      ['count', 'integer', false],
      ['fast', 'boolean', false],
      ['way', 'choice', false],
      ['parts', 'json', true],
    ])
    expect(fields[0]).toMatchObject({ label: 'Order', help: 'its number · ^o-' })
    expect(fields[1]!.help).toBe('≥ 0')
    expect(fields[4]!.options).toEqual(['card', 'invoice'])
  })

  it.each([[undefined], [true], ['x'], [{ type: 'array' }], [{ type: 'object' }]])('is none for %j', (other) =>
    expect(fieldsOf(other)).toBeUndefined(),
  )

  it('reads what was entered', () => {
    const entered = { order: 'o-1', total: '12.5', fast: 'true', way: 'card', parts: '[1]', count: '' }
    expect(valueOf(fields, entered)).toEqual({
      value: { order: 'o-1', total: 12.5, fast: true, way: 'card', parts: [1] },
    })
  })

  it('says what is missing and what cannot be read', () => {
    expect(valueOf(fields, { total: 'much', parts: '[' })).toEqual({
      wrong: { order: 'missing', total: 'notNumber', parts: 'notJson' },
    })
  })

  it('gives an example to begin with', () => {
    expect(JSON.parse(exampleOf(schema))).toEqual({ order: '', total: 0, parts: null })
    expect(exampleOf(undefined)).toBe('{}')
  })
})

it('sorts what the server says by field', () => {
  const findings = [
    { path: '/total', text: 'too small' },
    { path: '/parts/0', text: 'no number' },
    { path: '', text: 'too much' },
  ]
  expect(complaintsOf(findings, fields)).toEqual({
    total: 'too small',
    parts: '/parts/0 no number',
    '': 'too much',
  })
  expect(complaintsOf(undefined, fields)).toEqual({})
})

it('reads JSON or says what is wrong', () => {
  expect(readJson('[1]')).toEqual({ value: [1] })
  expect(readJson('[')).toHaveProperty('wrong')
})
