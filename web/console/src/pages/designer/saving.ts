import { useEffect, useRef, useState } from 'react'
import { Refused } from '@/api/client.ts'
import { useAgain } from './again.ts'
import type { Desk } from './desk.ts'
import { loadDraft, saveDraft, type Draft } from './server.ts'

/** Where a draft stands between the browser and the server. */
export type SaveState =
  | { readonly kind: 'readOnly' }
  | { readonly kind: 'saved'; readonly at: string; readonly by: string }
  | { readonly kind: 'new' }
  | { readonly kind: 'unsaved' }
  | { readonly kind: 'saving' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'conflict'; readonly theirs: Draft | undefined }

/** What can be done with a draft. */
export interface Saving {
  readonly state: SaveState
  /** Whether the text differs from what the server has. */
  readonly dirty: boolean
  /** The ETag of what the server has, if it has any. */
  readonly etag: string | undefined
  /** Saves now what is not saved; says whether all is saved then. */
  readonly flush: () => Promise<boolean>
  /** Puts this text in place of theirs. */
  readonly keepMine: () => Promise<boolean>
  /** Puts their text in place of this one; it can be undone. */
  readonly takeTheirs: () => void
  /** Says that the draft is gone from the server, because it was published. */
  readonly forget: (text: string) => void
}

/** How long nobody has to type before a draft is saved. */
const pauseMs = 1200

/** Saver saves a desk's text; it is apart from React so that a page that goes can still wait for it. */
export class Saver {
  etag: string | undefined
  stored: string | undefined
  state: SaveState
  /** What it is in when there is nothing to save. */
  rest: SaveState
  private under: Promise<boolean> | undefined
  /** What was sent without an answer: it may be what the server has. */
  private unheard: string | undefined

  constructor(
    readonly name: string,
    private readonly desk: Desk,
    draft: Draft | undefined,
    base: string | undefined,
    readonly may: boolean,
    readonly tell: () => void,
  ) {
    this.etag = draft?.etag
    this.stored = draft?.text ?? base
    this.state = !may
      ? { kind: 'readOnly' }
      : draft
        ? { kind: 'saved', at: draft.at, by: draft.by }
        : { kind: 'new' }
    this.rest = this.state
  }

  get dirty(): boolean {
    return this.may && this.stored !== this.desk.text
  }

  set(state: SaveState): void {
    this.state = state
    if (state.kind === 'saved' || state.kind === 'new') this.rest = state
    this.tell()
  }

  flush(): Promise<boolean> {
    if (!this.dirty) return Promise.resolve(true)
    if (this.state.kind === 'conflict') return Promise.resolve(false)
    // One after the other: the next one needs the ETag of this one.
    this.under ??= this.put(this.etag).finally(() => (this.under = undefined))
    return this.under
  }

  async put(etag: string | undefined): Promise<boolean> {
    const { text } = this.desk
    this.set({ kind: 'saving' })
    try {
      const draft = await saveDraft(this.name, text, etag)
      return this.settle(draft, text)
    } catch (error) {
      if (error instanceof Refused && (error.status === 412 || error.status === 428)) return this.conflict()
      if (!(error instanceof Refused) || error.status === 0 || error.status >= 500) this.unheard = text
      this.set({ kind: 'failed', error })
      return false
    }
  }

  private settle(draft: Draft, text: string): boolean {
    this.unheard = undefined
    this.etag = draft.etag
    this.stored = text
    this.set(this.dirty ? { kind: 'unsaved' } : { kind: 'saved', at: draft.at, by: draft.by })
    return !this.dirty
  }

  private async conflict(): Promise<boolean> {
    try {
      const theirs = await loadDraft(this.name)
      // Not theirs, but what was saved here when the answer was lost.
      if (theirs && theirs.text === this.unheard) return this.settle(theirs, theirs.text)
      this.set({ kind: 'conflict', theirs })
    } catch (error) {
      this.set({ kind: 'failed', error })
    }
    return false
  }

  keepMine(): Promise<boolean> {
    return this.put(this.state.kind === 'conflict' ? this.state.theirs?.etag : this.etag)
  }

  takeTheirs(): void {
    if (this.state.kind !== 'conflict' || !this.state.theirs) return
    const { theirs } = this.state
    this.etag = theirs.etag
    this.stored = theirs.text
    this.state = { kind: 'saved', at: theirs.at, by: theirs.by }
    this.desk.replaceAll(theirs.text)
    this.tell()
  }

  forget(text: string): void {
    this.etag = undefined
    this.stored = text
    this.set({ kind: 'new' })
  }
}

/** useSaving saves a draft whenever nobody has typed for a moment. */
export function useSaving(options: {
  name: string
  desk: Desk
  draft: Draft | undefined
  /** What the text is if there is no draft yet, so that looking at a version makes none. */
  base: string | undefined
  may: boolean
}): Saving {
  const { name, desk, draft, base, may } = options
  const [, render] = useState(0)
  const [saver] = useState(() => new Saver(name, desk, draft, base, may, () => render((n) => n + 1)))
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    if (!saver.may) return
    const later = () => {
      clearTimeout(timer.current)
      if (saver.state.kind === 'conflict') return
      if (!saver.dirty) {
        if (saver.state.kind === 'unsaved') saver.set(saver.rest)
        return
      }
      if (saver.state.kind !== 'saving') saver.set({ kind: 'unsaved' })
      timer.current = setTimeout(
        () => void saver.flush().then((all) => !all && saver.state.kind === 'unsaved' && later()),
        pauseMs,
      )
    }
    const stop = desk.subscribe(later)
    if (saver.dirty) later()
    return () => {
      stop()
      clearTimeout(timer.current)
    }
  }, [saver, desk])
  useAgain({
    error: saver.state.kind === 'failed' ? saver.state.error : undefined,
    busy: saver.state.kind === 'saving',
    act: () => void saver.flush(),
  })
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (saver.dirty) event.preventDefault()
    }
    addEventListener('beforeunload', warn)
    return () => removeEventListener('beforeunload', warn)
  }, [saver])
  return {
    state: saver.state,
    dirty: saver.dirty,
    // Read when it is needed: saving gives the draft another one.
    get etag() {
      return saver.etag
    },
    flush: () => saver.flush(),
    keepMine: () => saver.keepMine(),
    takeTheirs: () => saver.takeTheirs(),
    forget: (text) => saver.forget(text),
  }
}
