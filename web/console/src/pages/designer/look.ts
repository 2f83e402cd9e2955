import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

// Colours are the variables of app/theme.ts, whose contrast was measured in both schemes. Marks of findings are drawn
// by CSS alone: those of the library are data: URLs, which the policy of the page does not let in.

const wave = (colour: string) => ({
  backgroundImage: 'none',
  textDecoration: `underline wavy var(${colour}) 1.5px`,
  textUnderlineOffset: '3px',
  textDecorationSkipInk: 'none',
})
const marker = (colour: string, shape: string) => ({
  content: 'none',
  width: '10px',
  height: '10px',
  margin: '5px 2px 0',
  background: `var(${colour})`,
  borderRadius: shape,
})

const frame = EditorView.theme({
  '&': { height: '100%', fontSize: '12.5px', color: 'var(--c-text)', backgroundColor: 'var(--c-surface)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.6' },
  '.cm-content': { caretColor: 'var(--c-text)', padding: '8px 0' },
  '&.cm-focused .cm-cursor': { borderLeftColor: 'var(--c-text)', borderLeftWidth: '2px' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--c-work) 26%, transparent)',
  },
  '.cm-gutters': {
    backgroundColor: 'var(--c-surface)',
    color: 'var(--mantine-color-dimmed)',
    border: 'none',
    borderRight: '1px solid var(--c-line)',
  },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--c-hover) 60%, transparent)' },
  '.cm-activeLineGutter': { backgroundColor: 'var(--c-hover)', color: 'var(--c-text)' },
  '.cm-chosenStep': {
    boxShadow: 'inset 3px 0 0 var(--mantine-color-anchor)',
    backgroundColor: 'color-mix(in srgb, var(--c-selected) 45%, transparent)',
  },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': {
    backgroundColor: 'var(--c-selected)',
    outline: '1px solid var(--c-line-strong)',
  },
  '.cm-foldPlaceholder': {
    backgroundColor: 'var(--c-sunken)',
    border: '1px solid var(--c-line-strong)',
    color: 'var(--mantine-color-dimmed)',
  },
  '.cm-foldGutter .cm-gutterElement': { color: 'var(--mantine-color-dimmed)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--c-raised)',
    color: 'var(--c-text)',
    border: '1px solid var(--c-line-strong)',
    borderRadius: '8px',
    boxShadow: '0 8px 24px rgb(0 0 0 / 22%)',
    overflow: 'hidden',
    maxWidth: '420px',
  },
  '.cm-tooltip .cm-tooltip-arrow': { display: 'none' },
  '.cm-tooltip-autocomplete > ul': {
    fontFamily: 'var(--mantine-font-family-monospace)',
    fontSize: '12px',
    maxHeight: '260px',
  },
  '.cm-tooltip-autocomplete > ul > li': { padding: '3px 10px 3px 6px' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--c-selected)',
    color: 'var(--c-text)',
  },
  '.cm-completionDetail': {
    color: 'var(--mantine-color-dimmed)',
    fontStyle: 'normal',
    marginLeft: '10px',
    fontFamily: 'var(--mantine-font-family)',
  },
  '.cm-completionMatchedText': {
    textDecoration: 'none',
    fontWeight: '700',
    color: 'var(--mantine-color-anchor)',
  },
  '.cm-lintRange-error': wave('--c-bad'),
  '.cm-lintRange-warning': wave('--c-warn'),
  '.cm-lintRange-info, .cm-lintRange-hint': wave('--c-idle'),
  '.cm-lintRange-active': { backgroundColor: 'var(--c-hover)' },
  '.cm-lint-marker': { width: '14px', padding: '0' },
  '.cm-lint-marker-error': marker('--c-bad', '50%'),
  '.cm-lint-marker-warning': marker('--c-warn', '2px'),
  '.cm-lint-marker-info, .cm-lint-marker-hint': marker('--c-idle', '5px 5px 5px 0'),
  '.cm-lintPoint': { position: 'relative' },
  '.cm-lintPoint:after': { borderBottomColor: 'var(--c-bad)' },
  '.cm-diagnostic': {
    padding: '6px 10px',
    borderLeft: '3px solid var(--c-idle)',
    fontFamily: 'var(--mantine-font-family)',
  },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--c-bad)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--c-warn)' },
  '.cm-diagnosticSource': { color: 'var(--mantine-color-dimmed)', fontSize: '11px', opacity: '1' },
  '.cm-hoverDoc': {
    padding: '8px 12px',
    fontFamily: 'var(--mantine-font-family)',
    fontSize: '12.5px',
    lineHeight: '1.5',
  },
  '.cm-hoverDoc b': { fontFamily: 'var(--mantine-font-family-monospace)', display: 'block' },
  '.cm-panels': { backgroundColor: 'var(--c-sunken)', color: 'var(--c-text)', borderColor: 'var(--c-line)' },
  '.cm-panel.cm-search': { padding: '8px 10px', fontFamily: 'var(--mantine-font-family)' },
  '.cm-panel.cm-search label': { fontSize: '12px', color: 'var(--c-text)' },
  '.cm-textfield': {
    backgroundColor: 'var(--c-surface)',
    color: 'var(--c-text)',
    border: '1px solid var(--c-line-strong)',
    borderRadius: '5px',
    padding: '3px 7px',
  },
  '.cm-button': {
    backgroundImage: 'none',
    backgroundColor: 'var(--c-surface)',
    color: 'var(--c-text)',
    border: '1px solid var(--c-line-strong)',
    borderRadius: '5px',
  },
  '.cm-panel.cm-search [name=close]': { color: 'var(--c-text)' },
  '.cm-searchMatch': { backgroundColor: 'var(--c-warn-soft)', outline: '1px solid var(--c-warn)' },
  '.cm-searchMatch-selected': { backgroundColor: 'var(--c-selected)' },
  '.cm-selectionMatch': { backgroundColor: 'var(--c-hover)' },
})

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--c-work)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--c-good)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.keyword], color: 'var(--c-undo)' },
  { tag: tags.content, color: 'var(--c-text)' },
  {
    tag: [tags.comment, tags.lineComment, tags.meta],
    color: 'var(--mantine-color-dimmed)',
    fontStyle: 'italic',
  },
  {
    tag: [tags.separator, tags.punctuation, tags.squareBracket, tags.brace, tags.bracket],
    color: 'var(--c-idle)',
  },
  { tag: tags.invalid, color: 'var(--c-bad)' },
])

/** look is how the editor looks, in both schemes. */
export const look = [frame, syntaxHighlighting(colours)]
