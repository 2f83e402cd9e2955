import { describe, expect, it } from 'vitest'
import { stepsOf } from '@/saga/graph'
import { readDefinition } from '@/saga/text.ts'
import { changesOf, merged, paintChanges, sideBySide } from './changes.ts'

const first = `saga: 1
name: order
deadline: 1h
steps:
  - {id: reserve, call: {url: "http://a", method: PUT}}
  - {id: price, call: {url: "http://b"}}
  - {id: pay, call: {url: "http://c"}}
`
const second = `# a comment is no difference
saga: 1
name: order
deadline: 2h
steps:
  - {id: reserve, call: {method: PUT, url: "http://a"}}
  - {id: pay, call: {url: "http://c2"}}
  - {id: ship, call: {url: "http://d"}}
`
const steps = (text: string) => stepsOf(readDefinition(text))
const compare = (a: string, b: string) => changesOf(a, b, steps(a), steps(b))

describe('what changed between versions', () => {
  it('is said by steps and by keys', () => {
    const changes = { added: ['ship'], removed: ['price'], changed: ['pay'], around: ['deadline'] }
    expect(compare(first, second)).toEqual(changes)
    expect(compare(first, first)).toEqual({ added: [], removed: [], changed: [], around: [] })
  })

  it('sees that a step has other predecessors although nothing of it is written otherwise', () => {
    const swapped = first.replace('{id: price', '{id: late').replace('- {id: pay,', '- {id: pay, ')
    expect(compare(first, swapped).changed).toEqual(['pay'])
  })

  it('works without a text that can be read', () => {
    const a = [{ id: 'Take', kind: 'ServiceTask', after: [], target: 'x' }]
    const b = [{ id: 'Take', kind: 'ServiceTask', after: [], target: 'y' }]
    expect(changesOf('{"seata": "…"}', '{"seata": "…"}', a, b).changed).toEqual(['Take'])
  })

  it('is drawn with what is gone', () => {
    const both = merged(steps(first), steps(second))
    expect(both.map((step) => step.id)).toEqual(['reserve', 'pay', 'ship', 'price'])
    expect(both.at(-1)!.after).toEqual(['reserve'])
    expect(paintChanges(compare(first, second))).toEqual({
      ship: { change: 'added' },
      price: { change: 'removed' },
      pay: { change: 'changed' },
    })
  })
})

it('puts lines side by side', () => {
  const rows = sideBySide([
    { kind: 'skipped', text: '7' },
    { kind: 'same', left: 8, right: 8, text: 'a' },
    { kind: 'gone', left: 9, text: 'b' },
    { kind: 'new', right: 9, text: 'c' },
    { kind: 'new', right: 10, text: 'd' },
  ])
  expect(rows).toEqual([
    { kind: 'skipped', skipped: 7 },
    { kind: 'same', left: { number: 8, text: 'a' }, right: { number: 8, text: 'a' } },
    { kind: 'changed', left: { number: 9, text: 'b' }, right: { number: 9, text: 'c' } },
    { kind: 'new', right: { number: 10, text: 'd' } },
  ])
})
