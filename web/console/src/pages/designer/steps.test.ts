import { describe, expect, it } from 'vitest'
import { Editing } from './editing.ts'
import { convert } from './emit.ts'
import { mapTemplates, renameInExpression } from './references.ts'
import { pathAt, placeOf, readSource, type Json } from './source.ts'
import {
  connect,
  deleteStep,
  disconnect,
  follows,
  freeId,
  idsOf,
  insertStep,
  kinds,
  mayConnect,
  moveStep,
  predecessors,
  renameCase,
  renameStep,
  stepKinds,
} from './steps.ts'

const order = `# An order.
saga: 1
name: order # its name
deadline: 1d
steps:
  # first the goods
  - id: reserve
    call: {url: "http://127.0.0.1:9000/stock", body: {order: "\${input.order}"}}   # the stock
    compensate:
      call: {method: DELETE, url: "http://127.0.0.1:9000/stock/\${steps.reserve.output.id}"}

  - id: way
    choice:
      cases:
        - {case: invoice, when: input.method == "invoice" and steps.reserve.output.ok}
      else: card

  - id: credit
    after: way.invoice
    worker: {task: credit-check}
    readOnly: true

  # the money
  - id: charge
    after: [way.card, credit]
    call:
      url: http://127.0.0.1:9000/payments
      body: {invoice: "\${steps.way.case == 'invoice'}", text: "steps.way stays"}
    pivot: true

  - id: ship
    call: {url: "http://127.0.0.1:9000/ship/\${steps.charge.output.id}"}

output: {payment: "\${steps.charge.output.id}", by: "\${steps['way'].case}"}
`

function edit(text: string, change: (editing: Editing) => void): string {
  const editing = new Editing(text)
  change(editing)
  // What the changes say leads to the same text.
  let replayed = text
  for (const each of editing.changes)
    replayed = replayed.slice(0, each.from) + each.insert + replayed.slice(each.to)
  expect(replayed).toBe(editing.text)
  expect(editing.source.problems).toEqual([])
  return editing.text
}

/** lines that are only in one of two texts. */
function difference(a: string, b: string): { gone: string[]; come: string[] } {
  const left = a.split('\n')
  const right = b.split('\n')
  return {
    gone: left.filter((line) => !right.includes(line)),
    come: right.filter((line) => !left.includes(line)),
  }
}

describe('changes of values', () => {
  it('touch nothing but their place', () => {
    const text = edit(order, (e) => e.put(['name'], 'purchase'))
    expect(text).toBe(order.replace('name: order', 'name: purchase'))
  })

  it('keep the way of writing', () => {
    const text = edit(order, (e) => e.put(['steps', 0, 'call', 'url'], 'http://other'))
    expect(difference(order, text).come).toEqual([
      '    call: {url: http://other, body: {order: "${input.order}"}}   # the stock',
    ])
  })

  it('put new keys where they belong', () => {
    const text = edit(order, (e) => {
      e.put(['title'], 'An order: big')
      e.put(['steps', 0, 'title'], 'Reserve')
      e.put(['steps', 2, 'timeout'], '1m')
      e.put(['steps', 0, 'call', 'method'], 'PUT')
    })
    expect(text).toContain('name: order # its name\ntitle: "An order: big"\ndeadline: 1d')
    expect(text).toContain('  - id: reserve\n    title: Reserve\n    call: {method: PUT, url: "http')
    expect(text).toContain('    worker: {task: credit-check}\n    timeout: 1m\n    readOnly: true\n')
    expect(text).toContain('  # the stock'.trim())
  })

  it('remove keys with their lines', () => {
    const text = edit(order, (e) => {
      e.put(['deadline'], undefined)
      e.put(['steps', 3, 'pivot'], undefined)
      e.put(['steps', 0, 'call', 'body'], undefined)
      e.put(['steps', 0, 'compensate'], undefined)
    })
    expect(text).toContain('name: order # its name\nsteps:')
    expect(text).toContain('    call: {url: "http://127.0.0.1:9000/stock"}   # the stock\n\n  - id: way')
    expect(text).toContain('text: "steps.way stays"}\n\n  - id: ship')
  })

  it('remove the first key of a step', () => {
    const text = edit('steps:\n  - id: a\n    timer: {for: 5m}\n', (e) => e.put(['steps', 0, 'id'], undefined))
    expect(text).toBe('steps:\n  - timer: {for: 5m}\n')
  })

  it('write long values over several lines and short ones in one', () => {
    const text = edit(order, (e) => {
      e.put(['steps', 4, 'retry'], { first: '1s', attempts: 3 })
      e.put(
        ['steps', 4, 'result'],
        Array.from({ length: 5 }, (_, i) => ({ when: `status == ${500 + i}`, is: 'unknown' })),
      )
    })
    expect(text).toContain('\n    retry: {first: 1s, attempts: 3}\n')
    expect(text).toContain(
      '\n    result:\n      - {when: status == 500, is: unknown}\n      - {when: status == 501, is: unknown}\n',
    )
  })

  it('keep comments in maps whose values change', () => {
    const text = edit('a:\n  # why\n  b: 1 # one\n  c: 2\n', (e) => e.put(['a'], { b: 3, d: 4 }))
    expect(text).toBe('a:\n  # why\n  b: 3 # one\n  d: 4\n')
  })

  it('change, add and remove items of lists', () => {
    const text = edit('by: [a, b, c]\nlist:\n  - x\n  # y is\n  - y\n  - z\n', (e) => {
      e.put(['by'], ['a', 'd'])
      e.put(['list'], ['x', 'q', 'z', 'm'])
    })
    expect(text).toBe('by: [a, d]\nlist:\n  - x\n  # y is\n  - q\n  - z\n  - m\n')
  })

  it('write texts of several lines as blocks, and others in quotes where they need them', () => {
    const text = edit(order, (e) => {
      e.put(['description'], 'one\ntwo\n')
      e.put(['steps', 1, 'title'], 'yes')
      e.put(['steps', 0, 'title'], 'a # b')
    })
    expect(text).toContain('description: |\n  one\n  two\n')
    expect(text).toContain('title: "yes"')
    expect(readSource(text).value).toMatchObject({
      description: 'one\ntwo\n',
      steps: [{ title: 'a # b' }, { title: 'yes' }, {}, {}, {}],
    })
  })

  it('fill what is empty', () => {
    expect(edit('a:\nb: 1\n', (e) => e.put(['a', 'c'], 2))).toBe('a: {c: 2}\nb: 1\n')
    expect(readSource(edit('', (e) => e.put(['a', 'c'], 2))).value).toEqual({ a: { c: 2 } })
    expect(edit('a: {}\n', (e) => e.put(['a', 'c'], 2))).toBe('a: {c: 2}\n')
  })

  it('are small in JSON as well', () => {
    const json =
      '{\n  "saga": 1,\n  "name": "x",\n  "steps": [\n    {"id": "a", "timer": {"for": "5m"}}\n  ]\n}\n'
    const text = edit(json, (e) => {
      e.put(['title'], 'T')
      e.put(['steps', 0, 'title'], 'A "pause"')
      e.put(['steps', 0, 'timer', 'for'], '6m')
    })
    expect(text).toBe(
      '{\n  "saga": 1,\n  "name": "x",\n  "title": "T",\n  "steps": [\n' +
        '    {"id": "a", "title": "A \\"pause\\"", "timer": {"for": "6m"}}\n  ]\n}\n',
    )
    expect(() => JSON.parse(text) as unknown).not.toThrow()
  })

  it('are the same in JSON that is indented by tabs', () => {
    const source = readSource('{\n\t"saga": 1,\n\t"steps": [\n\t\t{ "id": "a" }\n\t]\n}')
    expect(source.problems).toEqual([])
    expect(source.format).toBe('json')
    expect(source.value).toEqual({ saga: 1, steps: [{ id: 'a' }] })
  })
})

describe('new steps', () => {
  it('come between a step and what follows it by standing behind it', () => {
    const text = edit(order, (e) => expect(insertStep(e, 'timer', { after: 'charge' })).toBe('pause1'))
    expect(text).toContain('    pivot: true\n\n  - id: pause1\n    timer: {for: 5m}\n\n  - id: ship')
    expect(difference(order, text).gone).toEqual([])
  })

  it('take over who follows by name', () => {
    const text = edit(order, (e) => insertStep(e, 'worker', { after: 'credit' }))
    expect(text).toContain('after: [way.card, task1]')
    expect(predecessors(readSource(text).value, 'task1')).toEqual(['credit'])
  })

  it('come behind one case of a choice', () => {
    const text = edit(order, (e) => insertStep(e, 'call', { after: 'way', case: 'card' }))
    const { value } = readSource(text)
    expect(predecessors(value, 'call1')).toEqual(['way.card'])
    expect(predecessors(value, 'charge')).toEqual(['call1', 'credit'])
    expect(predecessors(value, 'credit')).toEqual(['way.invoice'])
  })

  it('in parallel come together again', () => {
    const { value } = readSource(edit(order, (e) => insertStep(e, 'parallel', { after: 'charge' })))
    expect(predecessors(value, 'branch1')).toEqual(['charge'])
    expect(predecessors(value, 'branch2')).toEqual(['charge'])
    expect(predecessors(value, 'ship')).toEqual(['branch1', 'branch2'])
  })

  it('begin a definition', () => {
    for (const start of ['saga: 1\nname: x\nsteps: []\n', 'saga: 1\nname: x\n', 'saga: 1\nname: x\nsteps:\n']) {
      const text = edit(start, (e) => {
        insertStep(e, 'call')
        insertStep(e, 'timer')
      })
      expect(idsOf(readSource(text).value)).toEqual(['call1', 'pause1'])
      expect(text).toContain('steps:\n  - id: call1\n    call: {url: http://127.0.0.1:9000/call1}\n')
    }
  })

  it.each(kinds)('of the kind %s are made in YAML and in JSON', (kind) => {
    const yaml = readSource(edit(order, (e) => insertStep(e, kind, { after: 'reserve' }))).value
    const json = readSource(
      edit(convert(readSource(order).value!, 'json'), (e) => insertStep(e, kind, { after: 'reserve' })),
    ).value
    expect(json).toEqual(yaml)
  })

  it('have ids that nobody has', () => {
    expect(freeId({ steps: [{ id: 'call1' }] }, 'call')).toBe('call2')
    expect(stepKinds.every((kind) => kinds.includes(kind))).toBe(true)
  })
})

describe('steps that go', () => {
  it('leave their followers behind what was before them', () => {
    const text = edit(order, (e) => deleteStep(e, 'credit'))
    expect(text).toContain('after: [way.card, way.invoice]')
    expect(text).toContain('      else: card\n\n  # the money\n  - id: charge')
  })

  it('take their comment along', () => {
    const text = edit(order, (e) => deleteStep(e, 'reserve'))
    expect(text).not.toContain('first the goods')
    expect(text).toContain('# An order.')
    expect(text).toContain('steps:\n  - id: way\n')
  })

  it('can be the last', () => {
    const text = edit(order, (e) => deleteStep(e, 'ship'))
    expect(text).toContain('    pivot: true\n\noutput:')
    const none = edit('steps:\n  - id: a\n    timer: {for: 5m}\n', (e) => deleteStep(e, 'a'))
    expect(readSource(none).value).toEqual({ steps: [] })
  })

  it('do not have the next step follow the wrong one', () => {
    const start =
      'steps:\n  - {id: a, timer: {for: 1s}}\n  - {id: b, after: [], timer: {for: 1s}}\n  - {id: c, timer: {for: 1s}}\n'
    const { value } = readSource(edit(start, (e) => deleteStep(e, 'b')))
    expect(predecessors(value, 'c')).toEqual([])
  })

  it('are not what a refusal leads to', () => {
    const start =
      'steps:\n  - {id: a, onRefused: c, timer: {for: 1s}}\n  - {id: b, timer: {for: 1s}}\n' +
      '  - {id: c, timer: {for: 1s}}\n'
    expect(edit(start, (e) => deleteStep(e, 'c'))).toBe(
      'steps:\n  - {id: a, timer: {for: 1s}}\n  - {id: b, timer: {for: 1s}}\n',
    )
  })
})

describe('a new id', () => {
  it('is followed by edges, refusals and expressions, and by nothing else', () => {
    const text = edit(order, (e) => renameStep(e, 'way', 'path'))
    expect(difference(order, text).come).toEqual([
      '  - id: path',
      '    after: path.invoice',
      '    after: [path.card, credit]',
      `      body: {invoice: "\${steps.path.case == 'invoice'}", text: "steps.way stays"}`,
      `output: {payment: "\${steps.charge.output.id}", by: "\${steps['path'].case}"}`,
    ])
  })

  it('with a hyphen is put in brackets', () => {
    const text = edit(order, (e) => renameStep(e, 'reserve', 're-serve'))
    expect(text).toContain(String.raw`stock/${'$'}{steps[\"re-serve\"].output.id}"`)
    expect(readSource(text).value).toMatchObject({
      steps: [
        { compensate: { call: { url: 'http://127.0.0.1:9000/stock/${steps["re-serve"].output.id}' } } },
        { choice: { cases: [{ when: 'input.method == "invoice" and steps["re-serve"].output.ok' }] } },
        {},
        {},
        {},
      ],
    })
  })

  it.each([
    ['steps.a.output', 'steps.b.output'],
    ['steps?.a', 'steps?.b'],
    ['steps["a"].x', 'steps["b"].x'],
    ["steps['a'].x + steps.ab.x", "steps['b'].x + steps.ab.x"],
    ['"steps.a" + steps.a', '"steps.a" + steps.b'],
    ['mysteps.a + x.steps.a', 'mysteps.a + x.steps.a'],
    ['steps.a-1', 'steps.a-1'],
  ])('%s becomes %s', (from, to) => expect(renameInExpression(from, 'a', 'b')).toBe(to))

  it('is looked for in templates only', () => {
    const seen: string[] = []
    const text = 'a ${x} $${y} ${ {"k": "}"}.k } ${'
    expect(mapTemplates(text, (each) => (seen.push(each), each))).toBe(text)
    expect(seen).toEqual(['x', ' {"k": "}"}.k '])
  })

  it('of a case is followed as well', () => {
    const text = edit(order, (e) => renameCase(e, 'way', 'invoice', 'bill'))
    expect(text).toContain('{case: bill, when: input.method == "invoice"')
    expect(text).toContain('after: way.bill')
    expect(text).toContain("${steps.way.case == 'bill'}")
  })
})

describe('edges', () => {
  it('are added and removed', () => {
    const text = edit(order, (e) => {
      expect(connect(e, 'reserve', 'ship')).toBeUndefined()
      disconnect(e, 'credit', 'charge')
    })
    const { value } = readSource(text)
    expect(predecessors(value, 'ship')).toEqual(['charge', 'reserve'])
    expect(predecessors(value, 'charge')).toEqual(['way.card'])
  })

  it('make no circle', () => {
    const { value } = readSource(order)
    expect(mayConnect(value, 'ship', 'reserve')).toBe('cycle')
    expect(mayConnect(value, 'ship', 'ship')).toBe('self')
    expect(mayConnect(value, 'charge', 'ship')).toBe('there')
    expect(mayConnect(value, 'way', 'ship')).toBeUndefined()
    expect(follows(value, 'ship', 'reserve')).toBe(true)
    expect(follows(value, 'reserve', 'ship')).toBe(false)
  })

  it('lead to a case instead of to the whole choice', () => {
    const start =
      'steps:\n  - {id: w, choice: {cases: [{case: x, when: input.a}], else: y}}\n  - {id: s, timer: {for: 1s}}\n'
    expect(edit(start, (e) => connect(e, 'w.x', 's'))).toContain('{id: s, after: w.x, timer: {for: 1s}}')
  })

  it('stay when a step is moved', () => {
    const before = readSource(order).value
    const text = edit(order, (e) => moveStep(e, 'ship', -1))
    const { value } = readSource(text)
    expect(idsOf(value)).toEqual(['reserve', 'way', 'credit', 'ship', 'charge'])
    for (const id of idsOf(before))
      expect([id, predecessors(value, id)]).toEqual([id, predecessors(before, id)])
  })
})

describe('the other format', () => {
  it('says the same', () => {
    const { value } = readSource(order)
    const json = convert(value!, 'json')
    expect(readSource(json).format).toBe('json')
    expect(readSource(json).value).toEqual(value)
    const yaml = convert(JSON.parse(json) as Json, 'yaml')
    expect(readSource(yaml).format).toBe('yaml')
    expect(readSource(yaml).value).toEqual(value)
    expect(yaml).toContain('steps:\n  - id: reserve\n')
    expect(yaml).toContain('\n\n  - id: way\n')
    expect(readSource(order).hasComments).toBe(true)
    expect(readSource(yaml).hasComments).toBe(false)
  })
})

describe('places', () => {
  it('are found by path and by line', () => {
    const { root } = readSource(order)
    expect(pathAt(root, order.indexOf('credit-check') + 2)).toEqual(['steps', 2, 'worker', 'task'])
    expect(pathAt(root, order.indexOf('pivot') + 1)).toEqual(['steps', 3, 'pivot'])
    expect(order.slice(placeOf(order, 7, 5)).startsWith('id: reserve')).toBe(true)
    expect(placeOf(order, 999, 1)).toBe(order.length)
  })

  it('of errors are known', () => {
    const { problems } = readSource('a: [1\nb: "x')
    expect(problems.length).toBeGreaterThan(0)
    expect(readSource('{"a": 1,, }').problems.length).toBeGreaterThan(0)
  })
})
