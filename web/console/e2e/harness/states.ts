import type { Page } from 'playwright-core'
import { expectNoise } from './watch.ts'

/** What a server says that cannot answer, word for word. */
export const trouble = {
  title: 'The store does not answer.',
  detail: 'disk is full',
  code: 'storeUnavailable',
  requestId: 'REQ-4711',
}

/** failing has requests whose address fits answered as by a server in trouble. */
export async function failing(page: Page, address: RegExp): Promise<void> {
  expectNoise(page, /status of 503/)
  const body = { type: 'urn:concord:error:storeUnavailable', status: 503, retryable: false, ...trouble }
  await page.route(address, (route) =>
    route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(body) }),
  )
}

/** hanging has requests whose address fits wait until the function that it returns is called. */
export async function hanging(page: Page, address: RegExp): Promise<() => void> {
  let go = () => {}
  const gone = new Promise<void>((done) => (go = done))
  await page.route(address, async (route) => {
    await gone
    await route.continue().catch(() => {}) // the page may be closed by now
  })
  return go
}

/** telling has requests whose address fits answered with this. */
export async function telling(page: Page, address: RegExp, json: unknown): Promise<void> {
  await page.route(address, (route) => route.fulfill({ json }))
}

/** saysTrouble waits until the page shows the server's words and the request's id. */
export async function saysTrouble(page: Page): Promise<void> {
  const alert = page.getByRole('alert').filter({ hasText: trouble.title }).first()
  await alert.waitFor()
  await alert.getByText(trouble.detail).waitFor()
  await alert.getByText(trouble.requestId).waitFor()
}
