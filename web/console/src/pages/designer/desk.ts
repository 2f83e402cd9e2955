import { history, isolateHistory, redo, redoDepth, undo, undoDepth } from '@codemirror/commands'
import { setDiagnostics, type Diagnostic } from '@codemirror/lint'
import {
  Annotation,
  ChangeSet,
  Compartment,
  EditorState,
  StateEffect,
  StateField,
  type Extension,
  type Transaction,
  type TransactionSpec,
} from '@codemirror/state'
import { Decoration, EditorView, type DecorationSet } from '@codemirror/view'
import { useSyncExternalStore } from 'react'
import { Editing } from './editing.ts'
import { endOf, nodeAt, pathAt, readSource, startOf, type Source } from './source.ts'
import { indexOf } from './steps.ts'
import { stepOf } from './findings.ts'

/** Shown is what a desk shows: the text, what it says, and what can be undone. */
export interface Shown {
  readonly source: Source
  /** The newest source that could be read: what the graph shows while somebody types. */
  readonly sound: Source
  readonly undo: number
  readonly redo: number
  /** Counts changes of the text. */
  readonly revision: number
}

const fromOutside = Annotation.define<boolean>()

const markLines = StateEffect.define<{ from: number; to: number } | undefined>()
const lineMark = Decoration.line({ class: 'cm-chosenStep' })

/** chosenLines marks the lines of the step that is selected on the canvas. */
const chosenLines = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = marks.map(transaction.changes)
    for (const effect of transaction.effects) {
      if (!effect.is(markLines)) continue
      next = effect.value ? linesOf(transaction.state, effect.value.from, effect.value.to) : Decoration.none
    }
    return next
  },
  provide: (field) => EditorView.decorations.from(field),
})

function linesOf(state: EditorState, from: number, to: number): DecorationSet {
  const marks = []
  const last = state.doc.lineAt(Math.min(to, state.doc.length)).number
  for (let n = state.doc.lineAt(Math.min(from, state.doc.length)).number; n <= last; n++) {
    marks.push(lineMark.range(state.doc.line(n).from))
  }
  return Decoration.set(marks)
}

/** Desk holds the one document that canvas, forms and text edit, with one history for all of them. It works with and
 * without an editor on the screen. */
export class Desk {
  state: EditorState
  private shown: Shown
  private view: EditorView | undefined
  private readonly listeners = new Set<() => void>()
  private readonly writable = new Compartment()
  /** Told when a person has put the cursor into another step. */
  onStep: ((id: string | undefined) => void) | undefined

  constructor(text: string, readOnly: boolean, extensions: Extension = []) {
    this.state = EditorState.create({
      doc: text,
      extensions: [history(), chosenLines, this.writable.of(writableIf(!readOnly)), extensions],
    })
    const source = readSource(text)
    this.shown = { source, sound: source, undo: 0, redo: 0, revision: 0 }
  }

  readonly subscribe = (tell: () => void): (() => void) => {
    this.listeners.add(tell)
    return () => this.listeners.delete(tell)
  }

  readonly snapshot = (): Shown => this.shown

  get text(): string {
    return this.shown.source.text
  }

  /** attach shows the document in an element until the function that it returns is called. */
  attach(parent: HTMLElement): () => void {
    const view = new EditorView({
      state: this.state,
      parent,
      dispatchTransactions: (transactions) => this.take(transactions),
    })
    this.view = view
    return () => {
      if (this.view === view) this.view = undefined
      view.destroy()
    }
  }

  setReadOnly(readOnly: boolean): void {
    this.dispatch({ effects: this.writable.reconfigure(writableIf(!readOnly)) })
  }

  /** edit changes the document as one step of the history, and returns what the change says. */
  edit<T>(change: (editing: Editing) => T): T {
    const editing = new Editing(this.text)
    const said = change(editing)
    let set = ChangeSet.empty(this.state.doc.length)
    for (const each of editing.changes) set = set.compose(ChangeSet.of([each], set.newLength))
    if (editing.changes.length > 0 && editing.text !== this.text) {
      this.dispatch({
        changes: set,
        annotations: [isolateHistory.of('full'), fromOutside.of(true)],
        userEvent: 'input.design',
      })
    }
    return said
  }

  /** replaceAll puts another text in place of the document; it can be undone. */
  replaceAll(text: string): void {
    const changes = { from: 0, to: this.state.doc.length, insert: text }
    this.dispatch({ changes, annotations: [isolateHistory.of('full'), fromOutside.of(true)] })
  }

  readonly undo = (): boolean => undo({ state: this.state, dispatch: (transaction) => this.run(transaction) })
  readonly redo = (): boolean => redo({ state: this.state, dispatch: (transaction) => this.run(transaction) })

  /** diagnose shows findings in the text. */
  diagnose(found: readonly Diagnostic[]): void {
    this.dispatch(setDiagnostics(this.state, [...found]))
  }

  /** mark marks the lines of a step, and brings them into sight if wanted. */
  mark(id: string | undefined, show: boolean): void {
    const node =
      id === undefined
        ? undefined
        : nodeAt(this.shown.source.root, ['steps', indexOf(this.shown.source.value, id)])
    const place = node && {
      from: Math.min(startOf(node), this.state.doc.length),
      to: Math.min(endOf(node), this.state.doc.length),
    }
    this.dispatch({ effects: markLines.of(place) })
    if (place && show && !this.view?.hasFocus) this.scrollTo(place.from, 0.2)
  }

  /** scrollTo scrolls the text, and nothing around it, so that a place is at a part of the height. */
  private scrollTo(at: number, part: number): void {
    this.view?.requestMeasure({
      read: (view) =>
        view.lineBlockAt(Math.min(at, view.state.doc.length)).top - part * view.scrollDOM.clientHeight,
      write: (top, view) => (view.scrollDOM.scrollTop = top),
    })
  }

  /** goTo puts the cursor somewhere and the focus into the text. */
  goTo(from: number, to = from): void {
    const length = this.state.doc.length
    this.dispatch({ selection: { anchor: Math.min(from, length), head: Math.min(to, length) } })
    this.view?.focus()
    this.scrollTo(from, 0.4)
  }

  private dispatch(spec: TransactionSpec): void {
    this.run(this.state.update(spec))
  }

  private run(transaction: Transaction): void {
    if (this.view) this.view.dispatch(transaction)
    else this.take([transaction])
  }

  private take(transactions: readonly Transaction[]): void {
    const last = transactions.at(-1)
    if (!last) return
    this.state = last.state
    this.view?.update(transactions)
    const changed = transactions.some((each) => each.docChanged)
    if (changed) {
      const source = readSource(this.state.doc.toString())
      this.shown = {
        source,
        sound: source.problems.length === 0 ? source : this.shown.sound,
        undo: undoDepth(this.state),
        redo: redoDepth(this.state),
        revision: this.shown.revision + 1,
      }
      this.listeners.forEach((tell) => tell())
    }
    const byHand = transactions.some(
      (each) => (each.selection || each.docChanged) && !each.annotation(fromOutside),
    )
    if (byHand && this.view?.hasFocus) {
      const { source } = this.shown
      this.onStep?.(stepOf(source, pathAt(source.root, this.state.selection.main.head)))
    }
  }
}

function writableIf(writable: boolean): Extension {
  return [EditorState.readOnly.of(!writable), EditorView.editable.of(writable)]
}

/** useDesk renders again whenever the document changes. */
export function useDesk(desk: Desk): Shown {
  return useSyncExternalStore(desk.subscribe, desk.snapshot)
}
