import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type Completion,
  type CompletionContext,
} from '@codemirror/autocomplete'
import { defaultKeymap, historyKeymap, indentWithTab } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { yaml } from '@codemirror/lang-yaml'
import {
  bracketMatching,
  codeFolding,
  foldGutter,
  foldKeymap,
  indentOnInput,
  indentUnit,
} from '@codemirror/language'
import { lintGutter, lintKeymap } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  hoverTooltip,
  keymap,
  lineNumbers,
  type Tooltip,
} from '@codemirror/view'
import { nonce } from '@/app/nonce.ts'
import { language as language_ } from '@/i18n'
import { offersAt } from './cursor.ts'
import { shapeAt } from './language.ts'
import { helpOf, labelOf } from './fieldWords.ts'
import { look } from './look.ts'
import { pathAt, readSource, type Format } from './source.ts'

const icons: Record<string, string> = { key: 'property', value: 'enum', step: 'class', variable: 'variable' }

function complete(context: CompletionContext) {
  const text = context.state.doc.toString()
  const found = offersAt(text, context.pos, readSource(text).value)
  if (!found) return null
  if (!context.explicit && found.from === context.pos && !/[.:[{,]\s?$/.test(text.slice(0, context.pos)))
    return null
  const options: Completion[] = found.offers.map((offer) => ({
    label: offer.label,
    type: icons[offer.kind] ?? 'text',
    ...(offer.detail ? { detail: offer.detail } : {}),
    ...(offer.apply ? { apply: offer.apply } : {}),
  }))
  return { from: found.from, options, validFor: /^[\w-]*$/ }
}

/** explain shows what the language says about a key. */
function explain(view: EditorView, at: number): Tooltip | null {
  const source = readSource(view.state.doc.toString())
  const path = pathAt(source.root, at)
  const name = path.at(-1)
  const shape = typeof name === 'string' ? shapeAt(path) : undefined
  if (!shape || typeof name !== 'string') return null
  const around = [...path].reverse().find((each, i) => i > 0 && typeof each === 'string')
  const within = around === undefined ? 'saga' : String(around)
  const said = (language_() === 'zh' ? helpOf(within, name) : shape.description) ?? labelOf(within, name)
  return {
    pos: at,
    above: true,
    create: () => {
      const dom = document.createElement('div')
      dom.className = 'cm-hoverDoc'
      const head = document.createElement('b')
      head.textContent = name
      const values = shape.enum ? ` (${shape.enum.join(', ')})` : ''
      dom.append(head, `${said}${values}`)
      return { dom }
    },
  }
}

const language = new Compartment()

function languageOf(format: Format): Extension {
  return format === 'json' ? json() : yaml()
}

/** follow changes the language when the document becomes one of the other format. */
const follow = EditorState.transactionExtender.of((transaction) => {
  if (!transaction.docChanged) return null
  const was = formatOf(transaction.startState.doc.sliceString(0, 200))
  const is = formatOf(transaction.newDoc.sliceString(0, 200))
  return was === is ? null : { effects: language.reconfigure(languageOf(is)) }
})

function formatOf(head: string): Format {
  return head.trimStart().startsWith('{') ? 'json' : 'yaml'
}

/** setup is all that the editor of a definition has. The words are for those who do not see it. */
export function setup(text: string, label: string): Extension {
  return [
    EditorView.cspNonce.of(nonce),
    lineNumbers(),
    lintGutter(),
    codeFolding(),
    foldGutter(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    drawSelection(),
    indentOnInput(),
    indentUnit.of('  '),
    EditorState.tabSize.of(2),
    bracketMatching(),
    closeBrackets(),
    autocompletion({ override: [complete], icons: false }),
    hoverTooltip(explain),
    highlightSelectionMatches(),
    search({ top: true }),
    language.of(languageOf(formatOf(text.slice(0, 200)))),
    follow,
    keymap.of([
      { key: 'Tab', run: acceptCompletion },
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...completionKeymap,
      ...lintKeymap,
    ]),
    // A tabindex, so that who may not edit can scroll by keys.
    EditorView.contentAttributes.of({ 'aria-label': label, 'data-gramm': 'false', tabindex: '0' }),
    look,
  ]
}

/** tabIndents lets Tab indent; without it Tab leads out of the editor, as the keyboard needs. */
export const tabIndents = keymap.of([indentWithTab])
