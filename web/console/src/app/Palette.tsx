import { Modal, TextInput } from '@mantine/core'
import { useCallback, useEffect, useState, type KeyboardEvent } from 'react'
import { useNavigate } from 'react-router'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import { useToggleScheme } from './AccountMenu.tsx'
import { targetsOf } from './commands.ts'
import type { Early } from './early.ts'
import { usePlayground } from './features.ts'
import { entries } from './pages.ts'
import classes from './Palette.module.css'
import { words } from './words.ts'

interface Command {
  id: string
  text: string
  keys?: string
  icon: string
  run: () => void
}

/** Palette goes to any page or transaction by a few typed letters, some of which may have been typed before it came. */
export default function Palette({ onClose, early }: { onClose: () => void; early: Early }) {
  const t = useWords(words)
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const commands = useCommands(text)
  const chosen = Math.min(at, commands.length - 1)
  const run = (command?: Command) => {
    if (!command) return
    onClose()
    command.run()
  }
  const [entered, setEntered] = useState(false)
  const field = useCallback(
    (input: HTMLInputElement | null) => {
      if (!input) return
      input.focus({ preventScroll: true }) // the dialog does so, too, but a moment later
      const typed = early.end()
      if (typed.text) setText(typed.text)
      if (typed.enter) setEntered(true)
    },
    [early],
  )
  useEffect(() => {
    if (entered) run(commands[0])
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [entered])
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step) setAt((chosen + step + commands.length) % commands.length)
    else if (event.key === 'Enter') run(commands[chosen])
    else return
    event.preventDefault()
  }
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      size={600}
      yOffset="12vh"
      aria-label={t('palette')}
      transitionProps={{ duration: 0 }}
    >
      <TextInput
        ref={field}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={onKey}
        placeholder={t('searchHint')}
        size="md"
        variant="unstyled"
        px="md"
        data-autofocus
        role="combobox"
        aria-label={t('palette')}
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={commands[chosen] ? `palette-${commands[chosen].id}` : undefined}
      />
      <ul id="palette-list" role="listbox" aria-label={t('palette')} className={classes['list']}>
        {commands.map((command, i) => (
          <li
            key={command.id}
            id={`palette-${command.id}`}
            role="option"
            aria-selected={i === chosen}
            className={classes['item']}
            onMouseMove={() => setAt(i)}
            onClick={() => run(command)}
          >
            <Icon path={command.icon} />
            <span>{command.text}</span>
            {command.keys && <kbd>{command.keys}</kbd>}
          </li>
        ))}
        {commands.length === 0 && <li className={classes['none']}>{t('noCommand')}</li>}
      </ul>
    </Modal>
  )
}

function useCommands(text: string): Command[] {
  const t = useWords(words)
  const navigate = useNavigate()
  const toggle = useToggleScheme()
  const playground = usePlayground()
  const wanted = text.trim().toLowerCase()
  const pages: Command[] = entries
    .filter((page) => !page.only || playground)
    .map((page) => ({
      id: page.word,
      text: t('goTo', { page: t(page.word) }),
      keys: `g ${page.letter}`,
      icon: page.icon,
      run: () => void navigate(page.path),
    }))
  const scheme = {
    id: 'scheme',
    text: t('keyTheme'),
    keys: 'T',
    icon: 'M8 2a6 6 0 1 0 0 12zM8 2v12',
    run: toggle,
  }
  const targets: Command[] = targetsOf(text).map((target) => ({
    id: target.kind,
    text:
      target.kind === 'transaction'
        ? t('openXid', { xid: target.value })
        : target.kind === 'run'
          ? t('openRun', { xid: target.value })
          : t('searchFor', { text: target.value }),
    icon: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5L14 14',
    run: () => void navigate(target.to),
  }))
  const fitting = [...pages, scheme].filter((command) => command.text.toLowerCase().includes(wanted))
  return targets[0]?.id !== 'search' ? [...targets, ...fitting] : [...fitting, ...targets]
}
