import { describe, expect, it } from 'vitest'
import { endsOf, inOrder, modelOf, shortTarget, startsOf, stepsOf } from './model.ts'

const purchase = {
  saga: 1,
  name: 'purchase',
  steps: [
    { id: 'hold', worker: { task: 'hold' }, compensate: { worker: { task: 'free' } } },
    { id: 'size', choice: { cases: [{ case: 'large', when: 'input.price > 1000' }], else: 'small' } },
    { id: 'manager', after: 'size.large', approval: { prompt: 'Buy?' }, onRefused: 'board' },
    { id: 'board', approval: { prompt: 'Buy it still?' } },
    {
      id: 'order',
      after: ['size.small', 'manager', 'board'],
      call: { url: 'http://shop/orders', method: 'PUT' },
      pivot: true,
    },
    { id: 'pay', forEach: { in: 'input.parts' }, message: { topic: 'payments' }, when: 'input.pays' },
  ],
}

describe('steps of a definition', () => {
  it('has predecessors as the language resolves them', () => {
    const after = Object.fromEntries(stepsOf(purchase).map((step) => [step.id, step.after]))
    expect(after).toEqual({
      hold: [],
      size: ['hold'],
      manager: ['size.large'],
      board: ['manager'],
      order: ['size.small', 'manager', 'board'],
      pay: ['order'],
    })
  })

  it('begins at once where after is an empty list', () => {
    expect(
      stepsOf({
        steps: [
          { id: 'a', timer: {} },
          { id: 'b', after: [], timer: {} },
        ],
      })[1]!.after,
    ).toEqual([])
  })

  it('says what each step is', () => {
    const [hold, size, , , order, pay] = stepsOf(purchase)
    expect(hold).toMatchObject({
      kind: 'worker',
      target: 'hold',
      compensate: 'worker',
      onRefused: 'compensate',
    })
    expect(size).toMatchObject({ kind: 'choice', cases: ['large', 'small'] })
    expect(order).toMatchObject({ kind: 'call', target: 'PUT http://shop/orders', pivot: true })
    expect(pay).toMatchObject({
      kind: 'message',
      target: 'payments',
      forEach: 'input.parts',
      when: 'input.pays',
    })
  })

  it.each([[undefined], [null], ['x'], [[]], [{}], [{ steps: 3 }], [{ steps: [null, 1, { id: 7 }, {}] }]])(
    'makes nothing of %j',
    (rubbish) => expect(stepsOf(rubbish)).toEqual([]),
  )

  it('takes the first of two steps with one id', () => {
    const steps = stepsOf({
      steps: [
        { id: 'a', timer: { for: '1s' } },
        { id: 'a', call: { url: 'x' } },
      ],
    })
    expect(steps).toHaveLength(1)
    expect(steps[0]).toMatchObject({ kind: 'timer', target: '1s' })
  })
})

describe('the model', () => {
  const model = modelOf(stepsOf(purchase))

  it('has edges of all kinds', () => {
    expect(model.edges).toContainEqual({ from: 'hold', to: 'size', kind: 'next' })
    expect(model.edges).toContainEqual({ from: 'size', to: 'manager', kind: 'case', label: 'large' })
    expect(model.edges).toContainEqual({ from: 'manager', to: 'board', kind: 'refused' })
    expect(model.edges).toContainEqual({ from: 'manager', to: 'order', kind: 'next' })
  })

  it('leads to the states that undo others, which are no ends', () => {
    const seata = modelOf([
      { id: 'Take', kind: 'ServiceTask', after: [], compensate: 'PutBack' },
      { id: 'PutBack', kind: 'ServiceTask', after: [] },
    ])
    expect(seata.edges).toEqual([{ from: 'Take', to: 'PutBack', kind: 'undo' }])
    expect([startsOf(seata), endsOf(seata)]).toEqual([['Take'], ['Take']])
  })

  it('leaves out edges from steps that do not exist', () => {
    const lost = stepsOf({ steps: [{ id: 'a', after: ['gone', 'gone.way'], call: { url: 'x' } }] })
    expect(modelOf(lost).edges).toEqual([])
  })

  it('knows where it begins and ends', () => {
    expect(startsOf(model)).toEqual(['hold'])
    expect(endsOf(model)).toEqual(['pay'])
  })

  it('orders steps behind their predecessors, and ends with cycles, too', () => {
    const steps = stepsOf({
      steps: [
        { id: 'b', after: 'a', timer: {} },
        { id: 'a', after: [], timer: {} },
      ],
    })
    expect(inOrder(modelOf(steps)).map((step) => step.id)).toEqual(['a', 'b'])
    const circle = stepsOf({
      steps: [
        { id: 'a', after: 'b', timer: {} },
        { id: 'b', after: 'a', timer: {} },
      ],
    })
    expect(inOrder(modelOf(circle)).map((step) => step.id)).toEqual(['a', 'b'])
  })
})

it.each([
  ['POST https://stock.example/reservations/${input.order}', 'POST /reservations/${input.order}'],
  ['http://h:9000', 'http://h:9000'],
  ['payments', 'payments'],
])('%s is %s in short', (target, short) => expect(shortTarget(target)).toBe(short))
