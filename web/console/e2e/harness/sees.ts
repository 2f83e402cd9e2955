import type { Locator, Page } from 'playwright-core'
import { until } from './until.ts'

/*
 * What a page shows comes when it comes: after an answer, in the next frame, or when a field has had its pause. These
 * wait until it is so and fail with what was there last, where `expect(await ...)` looks once and may be too early.
 */

/** Waits until there are exactly so many. */
export function counts(where: Locator, wanted: number): Promise<void> {
  return becomes(
    `there are ${wanted} of ${where}`,
    () => where.count(),
    (seen) => seen === wanted,
  )
}

/** Waits until there is none any more. What never was there is gone at once: wait before for what comes instead. */
export function gone(where: Locator): Promise<void> {
  return counts(where, 0)
}

/** Waits until an attribute has this value; null is for one that there is not. */
export function attribute(where: Locator, name: string, wanted: string | RegExp | null): Promise<void> {
  return becomes(
    `${name} is ${wanted} at ${where}`,
    () => where.getAttribute(name),
    (seen) => (wanted instanceof RegExp ? wanted.test(seen ?? '') : seen === wanted),
  )
}

/** Waits until what can be done is refused here, and said to be so: aria-disabled. */
export function barred(where: Locator): Promise<void> {
  return attribute(where, 'aria-disabled', 'true')
}

/** Waits until a field holds exactly this. */
export function holds(where: Locator, wanted: string): Promise<void> {
  return becomes(
    `“${wanted}” is in ${where}`,
    () => where.inputValue(),
    (seen) => seen === wanted,
  )
}

/** Waits until the text of something has this in it. */
export function says(where: Locator, wanted: string | RegExp): Promise<void> {
  return becomes(
    `${wanted} is said by ${where}`,
    async () => (await where.textContent()) ?? '',
    (seen) => (typeof wanted === 'string' ? seen.includes(wanted) : wanted.test(seen)),
  )
}

/** Waits until the address has a parameter with this value; null is for one that there is not. */
export function asks(page: Page, name: string, wanted: string | null): Promise<void> {
  return becomes(
    `${name} is ${wanted} in the address`,
    () => new URL(page.url()).searchParams.get(name),
    (seen) => seen === wanted,
  )
}

/** Waits until the page is at this path. */
export function isAt(page: Page, wanted: string): Promise<void> {
  return becomes(
    `the path is ${wanted}`,
    () => new URL(page.url()).pathname,
    (seen) => seen === wanted,
  )
}

/** becomes looks until what it sees is what is wanted. */
async function becomes<T>(what: string, look: () => Promise<T> | T, fits: (seen: T) => boolean): Promise<void> {
  let last: T | undefined
  await until(
    () => `${what}; it was ${JSON.stringify(last)} at last`,
    async () => {
      last = await look()
      return fits(last)
    },
  )
}
