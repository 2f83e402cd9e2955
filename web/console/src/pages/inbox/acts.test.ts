import { describe, expect, it } from 'vitest'
import { bulkProgress, consequencesOf, lettersAction, pauseOf, sendEach, subjectOf, type Bulk } from './acts.ts'

describe('many dead letters', () => {
  it('are sent at a rate', () => {
    expect([pauseOf('10'), pauseOf('1000'), pauseOf('1'), pauseOf('x'), pauseOf('-1')]).toEqual([
      100, 1, 1000, 100, 100,
    ])
  })

  it('say how far they are, and never that all is well when some were refused', () => {
    expect(bulkProgress({ done: 1, failed: 0, asked: 0, n: 3 }, false)).toMatchObject({
      over: false,
      attempted: { state: 'working', text: '1 of 3 sent' },
    })
    expect(bulkProgress({ done: 3, failed: 0, asked: 0, n: 3 }, false).result.state).toBe('good')
    expect(bulkProgress({ done: 2, failed: 1, asked: 0, n: 3 }, false).result).toEqual({
      state: 'bad',
      text: '1 of 3 were refused; the others are done.',
    })
    expect(bulkProgress({ done: 0, failed: 0, asked: 3, n: 3 }, true).result.state).toBe('warn')
  })

  it('say to which groups they go', async () => {
    const { consequences } = await lettersAction(['mail/1', 'mail/2', 'sms/3'], 'replay').plan(
      new AbortController().signal,
    )
    expect(consequences.map((one) => one.text)).toEqual([
      '2 of group mail are delivered again at once',
      '1 of group sms are delivered again at once',
    ])
  })

  it('go one by one, and what is refused or waits is counted', async () => {
    const asked: string[] = []
    const send = (id: string): Promise<unknown> => {
      asked.push(id)
      if (id === 'mail/2') return Promise.reject(new Error('no'))
      return Promise.resolve(id === 'sms/3' ? { approval: { id: 'p' } } : undefined)
    }
    const last = await new Promise<Bulk>((done) => {
      sendEach(
        ['mail/1', 'mail/2', 'sms/3'],
        send,
        0,
      )((b) => {
        if (b.done + b.failed + b.asked === b.n) done(b)
      })
    })
    expect(last).toEqual({ done: 1, failed: 1, asked: 1, n: 3 })
    expect(asked).toEqual(['mail/1', 'mail/2', 'sms/3'])
  })
})

it('says what an approval is about', () => {
  expect(subjectOf({ xid: 'a:1:7', action: 'skip' })).toBe('a:1:7')
  expect(subjectOf({ group: 'mail', letter: '9' })).toBe('mail / 9')
  expect(subjectOf({ group: 'mail' })).toBe('mail')
  expect(consequencesOf({ job: 'j1' })[0]!.text).toBe('The job j1 is started as it was planned')
  expect(consequencesOf({ group: 'mail' })[0]!.kind).toBe('warns')
})
