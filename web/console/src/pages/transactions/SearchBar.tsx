import { ActionIcon } from '@mantine/core'
import { useEffect, useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import { kinds, parse, type Wrong } from './search.ts'
import { accept, suggest, type Values } from './suggest.ts'
import classes from './transactions.module.css'
import { words, type Word } from './words.ts'

const magnifier = 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5L14 14'

export interface SearchBarProps {
  /** The search that is shown. */
  text: string
  onSearch: (text: string) => void
  values: Values
}

/** SearchBar is the search as a text: it completes words and values, and says at once what is not understood. */
export function SearchBar({ text, onSearch, values }: SearchBarProps) {
  const t = useWords(words)
  const id = useId()
  const field = useRef<HTMLInputElement>(null)
  const [draft, setDraft] = useState(text)
  const [cursor, setCursor] = useState(0)
  const [open, setOpen] = useState(false)
  const [at, setAt] = useState(-1)
  useEffect(() => setDraft(text), [text])
  const where = suggest(draft, cursor, values)
  const shown = open && where.items.length > 0
  const chosen = Math.min(at, where.items.length - 1)
  const caret = useRef<number | undefined>(undefined)
  useLayoutEffect(() => {
    if (caret.current !== undefined) field.current?.setSelectionRange(caret.current, caret.current)
    caret.current = undefined
  })
  const place = (next: string, position: number) => {
    setDraft(next)
    setCursor(position)
    caret.current = position
  }
  const take = (index: number) => {
    const item = where.items[index]!
    const got = accept(draft, where, item)
    place(got.text, got.cursor)
    setAt(-1)
    field.current?.focus()
  }
  const search = (next = draft) => {
    setOpen(false)
    setAt(-1)
    onSearch(next.trim())
  }
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step && where.items.length > 0) {
      setOpen(true)
      setAt((Math.max(chosen, step > 0 ? -1 : 0) + step + where.items.length) % where.items.length)
    } else if (event.key === 'Enter' && !(shown && chosen >= 0)) search()
    else if ((event.key === 'Enter' || event.key === 'Tab') && shown && chosen >= 0) take(chosen)
    else if (event.key === 'Escape' && shown) setOpen(false)
    else if (event.key === 'Escape') field.current?.blur()
    else return
    event.preventDefault()
  }
  // The word that is being typed is not wrong yet.
  const wrong = parse(draft).wrong.filter((each) => !open || cursor < each.at || cursor > each.end)
  return (
    <div className={classes['search']}>
      <div className={classes['field']} data-wrong={wrong.length > 0 || undefined}>
        <Icon path={magnifier} size={14} />
        <input
          ref={field}
          data-search
          type="text"
          role="combobox"
          aria-label={t('searchLabel')}
          aria-expanded={shown}
          aria-controls={shown ? `${id}-list` : undefined}
          aria-activedescendant={shown && chosen >= 0 ? `${id}-${chosen}` : undefined}
          aria-autocomplete="list"
          aria-invalid={wrong.length > 0}
          aria-describedby={wrong.length > 0 ? `${id}-wrong` : undefined}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          value={draft}
          placeholder={t('searchHint')}
          onChange={(event) => {
            setDraft(event.currentTarget.value)
            setCursor(event.currentTarget.selectionStart ?? 0)
            setOpen(true)
            setAt(-1)
          }}
          onSelect={(event) => setCursor(event.currentTarget.selectionStart ?? 0)}
          onClick={() => setOpen(true)}
          onBlur={() => {
            setOpen(false)
            if (draft.trim() !== text) onSearch(draft.trim())
          }}
          onKeyDown={onKey}
        />
        {draft && (
          <ActionIcon
            size={24}
            variant="subtle"
            color="gray"
            aria-label={t('clear')}
            onClick={() => {
              place('', 0)
              search('')
            }}
          >
            <Icon path="M4 4l8 8M12 4l-8 8" size={12} />
          </ActionIcon>
        )}
      </div>
      {shown && (
        <ul id={`${id}-list`} role="listbox" aria-label={t('suggestions')} className={classes['list']}>
          {where.items.map((item, i) => (
            <li
              key={item.text}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === chosen}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(i)}
            >
              <span className="mono">{item.text}</span>
              {item.about && <span className="dim">{t(item.about as Word)}</span>}
            </li>
          ))}
        </ul>
      )}
      {wrong.length > 0 && <Complaint id={`${id}-wrong`} text={draft} wrong={wrong} />}
    </div>
  )
}

/** Complaint shows the first mistakes, with their place in the text marked. */
function Complaint({ id, text, wrong }: { id: string; text: string; wrong: readonly Wrong[] }) {
  const t = useWords(words)
  return (
    <div id={id} role="status" className={classes['wrong']}>
      {wrong.slice(0, 3).map((each) => (
        <p key={`${each.at} ${each.code}`}>
          <Icon path="M8 2.5l6 11H2zM8 7v3M8 12v.2" size={13} />
          <span className="mono">
            {text.slice(Math.max(0, each.at - 12), each.at)}
            <mark>{text.slice(each.at, each.end)}</mark>
          </span>
          <span>
            {t(each.code, { text: each.text, kinds: kinds.join(', ') })}{' '}
            <span className="dim">({t('atPlace', { at: each.at + 1 })})</span>
          </span>
        </p>
      ))}
    </div>
  )
}
