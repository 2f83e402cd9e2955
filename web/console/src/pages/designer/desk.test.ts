import { afterEach, describe, expect, it, vi } from 'vitest'
import { Desk } from './desk.ts'
import { misnamed } from './findings.ts'
import { readSource } from './source.ts'
import { insertStep, renameStep } from './steps.ts'
import { Saver } from './saving.ts'

// The addresses of the API have no host; browsers know which one is meant.
vi.hoisted(() => {
  const { Request } = globalThis
  globalThis.Request = class extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, 'http://localhost') : input, init)
    }
  }
})

const text = '# kept\nsaga: 1\nname: x\nsteps:\n  - id: a\n    timer: {for: 5m}\n'

describe('a desk', () => {
  it('undoes a change of the canvas as one, and does it again', () => {
    const desk = new Desk(text, false)
    desk.edit((e) => {
      insertStep(e, 'call', { after: 'a' })
      renameStep(e, 'a', 'b')
    })
    const changed = desk.text
    expect(changed).toContain('id: b')
    expect(changed).toContain('id: call1')
    expect(desk.snapshot()).toMatchObject({ undo: 1, redo: 0 })
    desk.undo()
    expect(desk.text).toBe(text)
    desk.redo()
    expect(desk.text).toBe(changed)
  })

  it('tells who watches, once for each change, and nobody of none', () => {
    const desk = new Desk(text, false)
    const tell = vi.fn()
    desk.subscribe(tell)
    desk.edit(() => undefined)
    desk.edit((e) => e.put(['title'], 'T'))
    expect(tell).toHaveBeenCalledTimes(1)
    expect(desk.snapshot().source.value).toMatchObject({ title: 'T' })
  })

  it('shows the last text that could be read while another one is typed', () => {
    const desk = new Desk(text, false)
    desk.replaceAll('a: b: c')
    expect(desk.snapshot().source.problems.length).toBeGreaterThan(0)
    expect(desk.snapshot().sound.text).toBe(text)
  })
})

describe('a name that differs from that of the draft', () => {
  it('is found at its place', () => {
    const source = readSource(text)
    expect(misnamed(source, 'x', 'odd', '')).toEqual([])
    expect(misnamed(source, 'y', 'odd', '')).toMatchObject([{ line: 3, column: 7, rule: 'bad-name' }])
  })
})

describe('a draft', () => {
  afterEach(() => vi.unstubAllGlobals())

  /** answers has requests answered one after the other, and keeps them. */
  function answers(...all: { status: number; body: unknown }[]) {
    const asked: { method: string; url: string; match: string | null; none: string | null; body: string }[] = []
    vi.stubGlobal('fetch', async (request: Request) => {
      const { headers } = request
      asked.push({
        method: request.method,
        url: new URL(request.url).pathname,
        match: headers.get('If-Match'),
        none: headers.get('If-None-Match'),
        body: await request.text(),
      })
      const next = all.shift()!
      return new Response(JSON.stringify(next.body), {
        status: next.status,
        headers: { 'Content-Type': 'application/json' },
      })
    })
    return asked
  }
  const draft = (etag: string, said: string) => ({
    name: 'x',
    text: said,
    etag,
    at: '2026-01-01T00:00:00Z',
    by: 'ann',
  })

  it('that is new replaces nothing, and the next one replaces this one', async () => {
    const asked = answers({ status: 201, body: draft('"1-a"', '') }, { status: 200, body: draft('"2-b"', '') })
    const desk = new Desk(text, false)
    const saver = new Saver('x', desk, undefined, undefined, true, () => {})
    expect(saver.dirty).toBe(true)
    expect(await saver.flush()).toBe(true)
    expect(saver.state).toMatchObject({ kind: 'saved', by: 'ann' })
    desk.edit((e) => e.put(['title'], 'T'))
    await saver.flush()
    expect(asked.map((each) => [each.match, each.none])).toEqual([
      [null, '*'],
      ['"1-a"', null],
    ])
    expect(asked[1]!.body).toBe(desk.text)
    expect(await saver.flush()).toBe(true)
    expect(asked.length).toBe(2)
  })

  it('that somebody else has changed is a conflict, in which one chooses', async () => {
    const theirs = draft('"9-z"', 'saga: 1\n')
    const conflict = [
      { status: 412, body: { status: 412, code: 'draftChanged' } },
      { status: 200, body: { items: [theirs] } },
      { status: 200, body: theirs },
    ]
    const asked = answers(...conflict, { status: 200, body: draft('"10-y"', '') }, ...conflict)
    const desk = new Desk(text, false)
    const saver = new Saver('x', desk, draft('"1-a"', text), undefined, true, () => {})
    expect(saver.dirty).toBe(false)
    desk.edit((e) => e.put(['title'], 'T'))
    expect(await saver.flush()).toBe(false)
    expect(saver.state).toMatchObject({ kind: 'conflict', theirs: { etag: '"9-z"' } })
    expect(await saver.flush()).toBe(false)
    expect(await saver.keepMine()).toBe(true)
    expect(asked.at(-1)).toMatchObject({ match: '"9-z"', body: desk.text })
    desk.edit((e) => e.put(['title'], 'U'))
    await saver.flush()
    saver.takeTheirs()
    expect(desk.text).toBe('saga: 1\n')
    expect(saver.dirty).toBe(false)
    desk.undo()
    expect(desk.text).toContain('title: U')
  })

  it('whose answer is lost is no conflict with itself', async () => {
    const desk = new Desk(text, false)
    const mine = draft('"2-b"', text)
    const asked = answers(
      { status: 504, body: {} },
      { status: 412, body: { status: 412, code: 'draftChanged' } },
      { status: 200, body: { items: [mine] } },
      { status: 200, body: mine },
      { status: 200, body: draft('"3-c"', '') },
    )
    const saver = new Saver('x', desk, draft('"1-a"', 'saga: 1\n'), undefined, true, () => {})
    expect(await saver.flush()).toBe(false)
    desk.edit((e) => e.put(['title'], 'T'))
    expect(await saver.flush()).toBe(false)
    expect(saver.state.kind).toBe('unsaved')
    expect(await saver.flush()).toBe(true)
    expect(asked.at(-1)).toMatchObject({ match: '"2-b"', body: desk.text })
  })

  it('that cannot be saved stays unsaved', async () => {
    answers({ status: 500, body: { status: 500, title: 'No disk.' } })
    const desk = new Desk(text, false)
    const saver = new Saver('x', desk, undefined, undefined, true, () => {})
    expect(await saver.flush()).toBe(false)
    expect(saver.state).toMatchObject({ kind: 'failed', error: { message: 'No disk.', status: 500 } })
    expect(saver.dirty).toBe(true)
  })

  it('of a version is none until something is changed, and a viewer has none', () => {
    const desk = new Desk(text, false)
    expect(new Saver('x', desk, undefined, text, true, () => {})).toMatchObject({
      dirty: false,
      state: { kind: 'new' },
    })
    expect(new Saver('x', desk, undefined, undefined, false, () => {})).toMatchObject({
      dirty: false,
      state: { kind: 'readOnly' },
    })
  })
})
