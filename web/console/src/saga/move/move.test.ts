import { describe, expect, it, vi } from 'vitest'
import { countsOf, mappingOf, moveAll, type Moved } from './move.ts'

const post = vi.hoisted(() => vi.fn())
vi.mock('@/api/client.ts', async (original) => ({ ...(await original<object>()), api: { POST: post } }))

describe('a mapping', () => {
  it('is read from lines', () => {
    expect(mappingOf('reserve = book\n\n pay->charge ')).toEqual({
      mapping: { reserve: 'book', pay: 'charge' },
    })
    expect(mappingOf('')).toEqual({ mapping: {} })
    expect(mappingOf('reserve book')).toEqual({ wrong: 'reserve book' })
  })
})

describe('moving', () => {
  const answers = (...bodies: [number, unknown][]) => {
    const asked: unknown[] = []
    post.mockImplementation((_path: string, { body }: { body: unknown }) => {
      asked.push(body)
      const [status, answer] = bodies[asked.length - 1]!
      const response = new Response(null, { status })
      return Promise.resolve(status < 300 ? { data: answer, response } : { error: answer, response })
    })
    return asked
  }
  const wish = { saga: 'order', from: 1, to: 2, mapping: {} }

  it('goes through all pages', async () => {
    const asked = answers(
      [200, { items: [{ xid: 'a', verdict: 'safe' }], next: 'c' }],
      [200, { items: [{ xid: 'b', verdict: 'mustStay', reasons: ['no'] }] }],
    )
    let seen: readonly Moved[] = []
    await moveAll(wish, true, (items) => (seen = items), new AbortController().signal)
    expect(seen.map((each) => each.xid)).toEqual(['a', 'b'])
    expect(asked).toMatchObject([{ dryRun: true, from: 1, to: 2 }, { cursor: 'c' }])
    expect(countsOf(seen)).toEqual({ safe: 1, needsMapping: 0, mustStay: 1, moved: 0 })
  })

  it('takes the refusal of a single run as its verdict', async () => {
    answers([409, { title: 'it stays', verdict: 'mustStay', reasons: ['decided'] }])
    let seen: readonly Moved[] = []
    await moveAll({ ...wish, xid: 'x' }, true, (items) => (seen = items), new AbortController().signal)
    expect(seen).toEqual([{ xid: 'x', verdict: 'mustStay', reasons: ['decided'], moved: false }])
  })

  it('throws other refusals', async () => {
    answers([403, { title: 'no', code: 'roleMissing' }])
    const moving = moveAll({ ...wish, xid: 'x' }, false, () => undefined, new AbortController().signal)
    await expect(moving).rejects.toMatchObject({ code: 'roleMissing' })
  })
})
