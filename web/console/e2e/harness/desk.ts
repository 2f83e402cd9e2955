import type { Locator, Page } from 'playwright-core'
import { words as en } from '../../src/pages/designer/wordsEn.ts'
import { api } from '../harness.ts'

/** What a review says of a definition. */
export interface Review {
  sound: boolean
  findings: { rule: string; severity: string }[]
  explored?: { exhaustive: boolean; failures: unknown[] }
}

let counter = 0
export const fresh = (stem: string): string => `${stem}${++counter}`

export const text = (page: Page): Locator => page.locator('.cm-content')
export const node = (page: Page, id: string): Locator => page.locator(`.react-flow [data-path="${id}"]`)
/** The box around a step that has its state. */
export const box = (page: Page, id: string): Locator =>
  page.locator('.react-flow__node', { has: page.locator(`[data-path="${id}"]`) }).locator('> div')
export const saved = (page: Page): Promise<void> => page.getByText(en.saved, { exact: true }).first().waitFor()
export const tab = (page: Page, name: string | RegExp): Locator => page.getByRole('tab', { name })
export const brick = (page: Page, kind: string): Locator =>
  page.getByRole('toolbar', { name: en.palette }).locator(`[data-kind="${kind}"]`)
export const field = (page: Page, name: string): Locator => page.locator(`[data-field="${name}"]`)

/** content is the whole text as the server has it. */
export async function stored(name: string): Promise<string> {
  return (await (await api()).get<{ text: string }>(`/sagas/drafts/${name}`)).text
}

/** put makes a draft. */
export async function put(name: string, definition: string): Promise<void> {
  await (await api()).put(`/sagas/drafts/${name}`, definition)
}

/** typed puts a value into a field and leaves it. */
export async function typed(where: Locator, value: string): Promise<void> {
  await where.fill(value)
  await where.press('Tab')
}

export const plain = (name: string): string => `# Kept.
saga: 1
name: ${name}
deadline: 1h
steps:
  - id: reserve # first
    worker: {task: reserve}
    compensate: {worker: {task: release}}

  - id: pay
    worker: {task: pay, input: {of: "\${steps.reserve.output.id}"}}
    compensate: {worker: {task: refund}}

  - id: tell
    worker: {task: tell}
    readOnly: true
`
