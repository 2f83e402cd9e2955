import { api, ask, idempotencyKey, Refused, type Schemas } from '@/api/client.ts'

/** Draft is a draft as the server has it. */
export interface Draft {
  readonly name: string
  readonly text: string
  readonly etag: string
  readonly at: string
  readonly by: string
}

type Body = never

const plain = {
  headers: { 'Content-Type': 'application/yaml' },
  bodySerializer: (body: unknown) => body as string,
}

function draftOf(view: Schemas['SagaDraft'], text: string): Draft {
  return { name: view.name ?? '', text, etag: view.etag ?? '', at: view.at ?? '', by: view.by ?? '' }
}

/** loadDraft returns a draft; undefined if there is none. It looks into the list first: browsers log every 404, and
 * that there is no draft is nothing wrong. */
export async function loadDraft(saga: string, signal?: AbortSignal): Promise<Draft | undefined> {
  const query = { prefix: saga, limit: 1 }
  const list = await ask(api.GET('/api/v1/sagas/drafts', { params: { query }, signal: signal ?? null }))
  if (list.items?.[0]?.name !== saga) return undefined
  try {
    const view = await ask(
      api.GET('/api/v1/sagas/drafts/{saga}', { params: { path: { saga } }, signal: signal ?? null }),
    )
    return draftOf(view, view.text ?? '')
  } catch (error) {
    return absent(error)
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Refused && error.status === 404) return undefined
  throw error
}

/** saveDraft stores a draft in place of the one that has the ETag, or a new one if there is none. */
export async function saveDraft(saga: string, text: string, etag: string | undefined): Promise<Draft> {
  const header: { 'If-Match'?: string; 'If-None-Match'?: string } = etag
    ? { 'If-Match': etag }
    : { 'If-None-Match': '*' }
  const view = await ask(
    api.PUT('/api/v1/sagas/drafts/{saga}', {
      params: { path: { saga }, header },
      body: text as Body,
      ...plain,
    }),
  )
  return draftOf(view, text)
}

/** dropDraft removes the draft that has the ETag. */
export async function dropDraft(saga: string, etag: string): Promise<void> {
  await ask(
    api.DELETE('/api/v1/sagas/drafts/{saga}', { params: { path: { saga }, header: { 'If-Match': etag } } }),
  )
}

/** publishDraft publishes the draft that has the ETag. */
export function publishDraft(saga: string, etag: string, note: string): Promise<Schemas['SagaPublication']> {
  return ask(
    api.POST('/api/v1/sagas/drafts/{saga}/publish', {
      params: {
        path: { saga },
        query: note ? { note } : {},
        header: { 'If-Match': etag, 'Idempotency-Key': idempotencyKey() },
      },
    }),
  )
}

/** review has the server look at a text. */
export function review(text: string, signal: AbortSignal): Promise<Schemas['SagaReview']> {
  return ask(api.POST('/api/v1/sagas/review', { body: text as Body, ...plain, signal }))
}

/** simulate has the server play a scenario through. */
export function simulate(body: Schemas['SagaScenario']): Promise<Schemas['SagaSimulation']> {
  return ask(api.POST('/api/v1/sagas/simulate', { body }))
}

/** loadVersion returns a published version, the newest without a number; undefined if there is none. */
export async function loadVersion(
  saga: string,
  version?: number,
  signal?: AbortSignal,
): Promise<Schemas['SagaVersion'] | undefined> {
  const query = { prefix: saga, limit: 1 }
  const list = await ask(api.GET('/api/v1/sagas/definitions', { params: { query }, signal: signal ?? null }))
  if (list.items?.[0]?.name !== saga) return undefined
  const options = { signal: signal ?? null }
  try {
    return await (version
      ? ask(
          api.GET('/api/v1/sagas/definitions/{saga}/versions/{version}', {
            params: { path: { saga, version } },
            ...options,
          }),
        )
      : ask(api.GET('/api/v1/sagas/definitions/{saga}', { params: { path: { saga } }, ...options })))
  } catch (error) {
    return absent(error)
  }
}

/** listSagas and listDrafts return a page of each. */
export function listSagas(cursor: string | undefined, signal: AbortSignal) {
  const query = { limit: 100, ...(cursor ? { cursor } : {}) }
  return ask(api.GET('/api/v1/sagas/definitions', { params: { query }, signal }))
}

export function listDrafts(cursor: string | undefined, signal: AbortSignal) {
  const query = { limit: 100, ...(cursor ? { cursor } : {}) }
  return ask(api.GET('/api/v1/sagas/drafts', { params: { query }, signal }))
}
