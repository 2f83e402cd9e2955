import { describe, test } from 'vitest'
import { axe, dev, expectNoise, gone, open } from './harness.ts'
import { failing, hanging, saysTrouble } from './harness/states.ts'

/** What pages ask for; who one is and the stream of numbers are the shell's. */
const asked = /\/api\/v1\/(?!me$|stream$)/

const pages = [
  '/',
  '/transactions',
  '/transactions/4194305',
  '/inbox',
  '/jobs',
  '/jobs/4711',
  '/locks',
  '/sagas',
  '/sagas/order',
  '/runs',
  '/runs/4194305',
  '/designer',
  '/decisions',
  '/events',
  '/events?tab=groups',
  '/events?tab=letters',
  '/cluster',
  '/cluster?tab=config',
  '/audit',
  '/settings',
  '/playground',
]

describe('every page', () => {
  test.each(pages)('%s has its shape while it loads', async (path) => {
    const page = await open('about:blank')
    expectNoise(page, /status of 404/) // there is no such transaction, job or saga, once it is answered
    const go = await hanging(page, asked)
    await page.goto((await dev()).base + path)
    await page.getByRole('main').getByRole('status', { name: 'Loading' }).first().waitFor()
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    go()
  })

  test.each(pages)('%s says what the server says when it cannot answer', async (path) => {
    const page = await open('about:blank')
    await failing(page, asked)
    await page.goto((await dev()).base + path)
    await saysTrouble(page)
    await axe(page)
  })

  test.each(pages.filter((path) => !/\d{4}|order|playground/.test(path)))(
    '%s is read by a viewer',
    async (path) => {
      const page = await open(path, { role: 'viewer' })
      await page.getByText('read-only', { exact: true }).waitFor()
      await page.getByRole('heading', { level: 1 }).waitFor()
      await axe(page)
      await gone(page.getByRole('main').getByRole('alert'))
    },
  )
})
