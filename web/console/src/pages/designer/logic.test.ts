import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { stepsOf } from '@/saga/graph/model.ts'
import { compareLines, counts, shorten } from './difference.ts'
import { paintFindings, placed, unreadable } from './findings.ts'
import { barsOf, paintsAt, pathMoments, pathPaints } from './replay.ts'
import { calm, commandOf, outcomeOf, quote, requestOf, sampleOf, testOf, usual, withWish } from './scenario.ts'
import { readSource } from './source.ts'
import { templateNames, templateText } from './templates.ts'

describe('scenarios', () => {
  const scenario = {
    ...calm,
    input: '{"order": "it\'s 7"}',
    wishes: { pay: usual('failed'), ship: usual('slow'), 'reserve.undo': usual('refused') },
    bodies: { pay: { id: 7 } },
  }

  it('are asked for in the words of the server', () => {
    expect(requestOf('saga: 1', scenario)).toEqual({
      definition: 'saga: 1',
      input: { order: "it's 7" },
      outcomes: { pay: 'failed x2', ship: { outcome: 'done', after: '30s' }, 'reserve.undo': 'refused' },
      bodies: { pay: { id: 7 } },
    })
    expect(requestOf('', { ...calm, random: true, seed: 9, runs: 100 })).toMatchObject({ seed: 9, runs: 100 })
    expect(() => requestOf('', { ...calm, input: '{' })).toThrow()
  })

  it('forget what happens anyway', () => {
    expect(withWish(scenario, 'pay', usual('done')).wishes).not.toHaveProperty('pay')
    expect(withWish(calm, 'a', usual('lost')).wishes).toEqual({ a: { does: 'lost', times: 0 } })
    expect(outcomeOf(usual('unreachable'))).toBe('unreachable x3')
  })

  it('are commands', () => {
    expect(commandOf('order.yaml', scenario)).toBe(
      `concord saga simulate order.yaml --input '{"order":"it'\\''s 7"}' --outcome 'pay=failed x2' ` +
        `--outcome reserve.undo=refused --body 'pay={"id":7}'`,
    )
    expect(quote('a b')).toBe("'a b'")
  })

  it('are tests with what came of them', () => {
    const test = testOf('no money', 'order.yaml', scenario, {
      end: 'compensated',
      failure: 'step pay: refused',
      order: ['reserve', 'pay refused'],
    })
    expect(parse(test)).toEqual({
      test: 'no money',
      saga: 'order.yaml',
      input: { order: "it's 7" },
      outcomes: { pay: 'failed x2', ship: { outcome: 'done', after: '30s' }, 'reserve.undo': 'refused' },
      bodies: { pay: { id: 7 } },
      expect: { end: 'compensated', failure: 'step pay: refused', order: ['reserve', 'pay refused'] },
    })
  })

  it('begin with an input that fits', () => {
    expect(
      sampleOf({
        type: 'object',
        properties: {
          a: { type: 'string', minLength: 8 },
          n: { type: 'integer', minimum: 3 },
          x: { type: 'number', exclusiveMinimum: 0 },
          e: { enum: ['u', 'v'] },
          l: { type: 'array', minItems: 2, items: { type: 'boolean' } },
          d: { default: 4 },
        },
      }),
    ).toEqual({ a: 'samplexx', n: 3, x: 1, e: 'u', l: [true, true], d: 4 })
    expect(sampleOf(undefined)).toEqual({})
  })
})

const steps = stepsOf({
  steps: [
    { id: 'reserve', call: { url: 'x' }, compensate: { call: { url: 'x' } } },
    { id: 'way', choice: { cases: [{ case: 'a', when: 'input.a' }], else: 'b' } },
    { id: 'pay', after: 'way.a', call: { url: 'x' } },
    { id: 'each', after: ['way.b', 'pay'], forEach: { in: '[1]' }, call: { url: 'x' } },
    { id: 'trip', subSaga: { saga: 'trip' } },
    { id: 'tell', when: 'false', message: { topic: 'x' } },
  ],
})

describe('a run is painted', () => {
  const moments = [
    { event: 'began' },
    { step: 'reserve', event: 'stepStarted' },
    { step: 'reserve', event: 'attemptFailed', attempt: 1, text: 'failed' },
    { step: 'reserve', event: 'stepDone', attempt: 2 },
    { step: 'each[0]', event: 'stepStarted' },
    { step: 'each[1]', event: 'stepStarted' },
    { step: 'each[0]', event: 'stepDone', attempt: 1 },
    { step: 'each[1]', event: 'stepRefused', attempt: 1, text: 'no' },
    { event: 'rollbackDecided' },
    { step: 'reserve', event: 'undoStarted' },
    { step: 'reserve', event: 'attemptFailed', attempt: 1, text: 'away' },
    { step: 'reserve', event: 'finished', attempt: 2 },
    { event: 'ended' },
  ]

  it('step by step', () => {
    const states = (id: string) => moments.map((_m, i) => paintsAt(steps, moments, i + 1)[id]?.state)
    expect(states('reserve')).toEqual([
      'idle',
      'running',
      'retrying',
      'done',
      'done',
      'done',
      'done',
      'done',
      'done',
      'undoing',
      'undoing',
      'undone',
      'undone',
    ])
    expect(states('tell').at(-1)).toBe('idle')
    expect(states('each').slice(3, 9)).toEqual(['idle', 'running', 'running', 'running', 'refused', 'refused'])
  })

  it('with attempts, failures, items and the way of a choice', () => {
    expect(paintsAt(steps, moments, 3)['reserve']).toMatchObject({
      state: 'retrying',
      attempts: 1,
      failure: 'failed',
      current: true,
    })
    expect(paintsAt(steps, moments, 4)['reserve']).not.toHaveProperty('failure')
    expect(paintsAt(steps, moments, 8)['each']).toMatchObject({ items: { done: 1, of: 2, failed: 1 } })
    expect(paintsAt(steps, moments, 5)['way']).toMatchObject({ state: 'done', took: 'b' })
    expect(paintsAt(steps, moments, 4)['way']).toMatchObject({ state: 'idle' })
  })

  it('with sub-sagas as one, and skipped steps at the end', () => {
    const paints = paintsAt(
      steps,
      [
        { step: 'trip/hotel', event: 'stepStarted' },
        { step: 'trip/hotel', event: 'stepDone' },
        { event: 'commitDecided' },
      ],
      3,
    )
    expect(paints['trip']).toMatchObject({ state: 'done' })
    expect(paints['trip/hotel']).toMatchObject({ state: 'done' })
    expect(paints['tell']).toMatchObject({ state: 'skipped' })
  })

  it('as bars', () => {
    expect(
      barsOf({
        tookMs: 500,
        steps: [
          { name: 'a', state: 'undone', fromMs: 0, toMs: 100, undoFromMs: 300, undoToMs: 400, attempts: 1 },
          { name: 'b', state: 'running', fromMs: 100 },
        ],
      }),
    ).toMatchObject([
      {
        parts: [
          { fromMs: 0, toMs: 100, state: 'done' },
          { fromMs: 300, toMs: 400, undo: true, state: 'undone' },
        ],
      },
      { parts: [{ fromMs: 100, toMs: 500, state: 'running' }] },
    ])
  })
})

describe('a counter-example', () => {
  const lines = [
    'reserve: lost: nobody knows whether it has run',
    'decided: rollback, refused',
    'each[1]: done',
    'reserve: compensated',
    'case of way: false',
  ]

  it('is read', () => {
    expect(pathMoments(lines, steps).map((moment) => [moment.step, moment.event])).toEqual([
      ['reserve', 'retriesUsedUp'],
      [undefined, 'rollbackDecided'],
      ['each[1]', 'stepDone'],
      ['reserve', 'undone'],
      [undefined, 'said'],
    ])
  })

  it('is numbered and painted', () => {
    const moments = pathMoments(lines, steps)
    expect(pathPaints(steps, moments, 1)['reserve']).toMatchObject({
      state: 'unknown',
      positions: [1, 4],
      current: true,
    })
    expect(pathPaints(steps, moments, 4)['reserve']).toMatchObject({ state: 'undone' })
    expect(pathPaints(steps, moments, 5, 'each[1]')['each']).toMatchObject({ current: true, state: 'unknown' })
  })
})

describe('differences', () => {
  it('are lines that went and came', () => {
    const lines = compareLines('a\nb\nc\nd\n', 'a\nx\nc\nd\ne\n')
    expect(lines.map((line) => `${line.kind} ${line.text}`)).toEqual([
      'same a',
      'gone b',
      'new x',
      'same c',
      'same d',
      'new e',
    ])
    expect(counts(lines)).toEqual({ gone: 1, come: 2 })
    expect(compareLines('a\n', 'a\n').every((line) => line.kind === 'same')).toBe(true)
  })

  it('leave out what is far from them', () => {
    const long = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n')
    const short = shorten(compareLines(long, long.replace('line 15', 'other')), 1)
    expect(short.map((line) => line.kind)).toEqual(['skipped', 'same', 'gone', 'new', 'same', 'skipped'])
    expect(short[0]!.text).toBe('14')
  })
})

describe('findings', () => {
  const text = 'saga: 1\nsteps:\n  - id: a\n    call: {url: x}\n  - id: b\n    timer: {for: 5m}\n'
  const source = readSource(text)

  it('have places and steps', () => {
    const found = placed(source, [
      { rule: 'bad-url', severity: 'error', line: 4, column: 17, path: '/steps/0/call/url', text: 'no' },
      { rule: 'missing', severity: 'warning', line: 5, column: 5, path: '/steps/1', text: 'hm' },
      { rule: 'bad-name', severity: 'error', path: '/name', text: 'none' },
    ])
    expect(found.map((each) => [each.step, text.slice(each.from, each.to), each.line])).toEqual([
      ['a', 'x', 4],
      ['b', 'id', 5],
      [undefined, 'saga', 1],
    ])
    expect(paintFindings(source, found, { a: { state: 'done' } })).toEqual({
      a: { state: 'done', findings: { severity: 'error', texts: ['no'] } },
      b: { findings: { severity: 'warning', texts: ['hm'] } },
    })
  })

  it('of texts that cannot be read are there at once', () => {
    const [first] = unreadable(readSource('a: 1\nb: [1\n'))
    expect(first).toMatchObject({ rule: 'syntax', severity: 'error' })
    expect(first!.line).toBeGreaterThan(1)
  })
})

describe('templates', () => {
  it.each(templateNames)('%s can be read', (name) => {
    const source = readSource(templateText(name, 'mine'))
    expect(source.problems).toEqual([])
    expect(source.value).toMatchObject({ saga: 1, name: 'mine' })
  })
})
