import { describe, expect, it } from 'vitest'
import { offersAt, spotAt } from './cursor.ts'
import { keysAt, shapeAt, valuesAt } from './language.ts'
import { readSource } from './source.ts'

/** at cuts the mark | out of a text and says where it was. */
function at(marked: string): [string, number] {
  const place = marked.indexOf('|')
  return [marked.slice(0, place) + marked.slice(place + 1), place]
}

describe('the place of the cursor', () => {
  it.each([
    ['|', [], 'key'],
    ['saga: 1\nna|', [], 'key'],
    ['saga: 1\nsteps:\n  - id: a\n    ti|', ['steps', 0], 'key'],
    ['saga: 1\nsteps:\n  - id: a\n  - |', ['steps', 1], 'key'],
    ['steps:\n- id: a\n  call:\n    url: x\n- id: b\n  re|', ['steps', 1], 'key'],
    ['steps:\n  - id: a\n    call:\n      url: x\n      me|', ['steps', 0, 'call'], 'key'],
    ['steps:\n  - id: a\n    call:\n      |', ['steps', 0, 'call'], 'key'],
    ['steps:\n  - id: a\n    call:\n      url: x\n    |', ['steps', 0], 'key'],
    ['steps:\n  - id: a\n    onRefused: |', ['steps', 0, 'onRefused'], 'value'],
    ['steps:\n  - id: a\n    call: {url: x, |}', ['steps', 0, 'call'], 'key'],
    ['steps:\n  - id: a\n    call: {method: |}', ['steps', 0, 'call', 'method'], 'value'],
    ['steps:\n  - id: a\n    after: [|', ['steps', 0, 'after', 0], 'value'],
    ['steps:\n  - id: a\n    result:\n      - {when: x, is: |', ['steps', 0, 'result', 0, 'is'], 'value'],
    ['{"saga": 1, "steps": [{"id": "a", "|', ['steps', 0], 'key'],
    ['{"saga": 1, "steps": [{"id": "a"}, {"id": "b", "onRefused": "|', ['steps', 1, 'onRefused'], 'value'],
    ['# a\nsteps:\n  # b\n  - id: a # {\n    |', ['steps', 0], 'key'],
  ] as const)('%j', (marked, path, kind) => {
    const spot = spotAt(...at(marked))
    expect([spot.path, spot.at]).toEqual([path, kind])
  })
})

describe('what could be written', () => {
  const order =
    'saga: 1\ninput: {properties: {total: {type: number}}}\nsteps:\n  - id: pay\n    timer: {for: 5m}\n' +
    '  - id: way\n    choice: {cases: [{case: a, when: x}], else: b}\n'
  const labels = (marked: string) => {
    const [text, place] = at(marked)
    return offersAt(text, place, readSource(order).value)?.offers.map((offer) => offer.label) ?? []
  }

  it('are keys that are not there yet', () => {
    const keys = labels('saga: 1\nsteps:\n  - id: a\n    |\n    timeout: 5m\n')
    expect(keys).toContain('compensate')
    expect(keys).not.toContain('id')
    expect(keys).not.toContain('timeout')
    expect(labels('saga: 1\n|')).toEqual(expect.arrayContaining(['name', 'deadline', 'steps']))
  })

  it('are words of the language', () => {
    expect(labels(`${order}  - id: c\n    pivot: |`)).toEqual(['true', 'false'])
    expect(labels(`${order}  - id: c\n    call: {method: |`)).toContain('DELETE')
    expect(labels('saga: 1\nonDeadline: |')).toEqual(['compensate', 'forward'])
  })

  it('are steps and cases', () => {
    expect(labels(`${order}  - id: c\n    after: |`)).toEqual(['pay', 'way', 'way.a', 'way.b'])
    expect(labels(`${order}  - id: c\n    onRefused: |`)).toEqual(['compensate', 'continue', 'pay', 'way'])
  })

  it('are variables in expressions', () => {
    expect(labels(`${order}  - id: c\n    when: |`)).toContain('input')
    expect(labels(`${order}  - id: c\n    call: {url: "http://x/\${steps.|`)).toEqual(['pay', 'way'])
    expect(labels(`${order}  - id: c\n    call: {url: "http://x/\${steps.pay.|`)).toContain('output')
    expect(labels(`${order}  - id: c\n    when: input.|`)).toEqual(['total'])
  })
})

describe('the language', () => {
  it('is that of the published schema', () => {
    expect(keysAt(['steps', 0]).map(([key]) => key)).toContain('forEach')
    expect(valuesAt(['steps', 3, 'result', 0, 'is'])).toEqual(['done', 'refused', 'ongoing', 'unknown'])
    expect(shapeAt(['steps', 0, 'compensate', 'call', 'url'])?.description).toContain('escaped')
    expect(shapeAt(['steps', 0, 'nothing'])).toBeUndefined()
  })
})
