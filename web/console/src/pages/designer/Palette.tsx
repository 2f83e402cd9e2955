import { useRef, type KeyboardEvent } from 'react'
import { useWords } from '@/i18n'
import { iconOf } from '@/saga/graph/kinds.ts'
import { Icon } from '@/shared/Icon.tsx'
import classes from './Designer.module.css'
import { kinds, type Kind } from './steps.ts'
import { words } from './words.ts'

/** dragType is what is dragged from the palette to the canvas. */
export const dragType = 'application/x-concord-step'

const shapes: Partial<Record<Kind, string>> = {
  loop: 'M3 8a5 5 0 0 1 8.5-3.5L13 6M13 2.5V6H9.5M13 8a5 5 0 0 1-8.5 3.5L3 10M3 13.5V10h3.5',
  parallel: 'M8 1.5v2.5M3.5 7h3v4h-3zM9.5 7h3v4h-3zM5 7V5h6v2M5 11v1.5h6V11M8 12.5v2',
}

/** iconOfKind is the icon of a kind of the palette. */
export function iconOfKind(kind: Kind): string {
  return shapes[kind] ?? iconOf(kind)
}

/** Palette has all kinds of steps: a click puts one behind the selected step, dragging puts it behind another one. */
export function Palette({
  onInsert,
  disabled,
  behind,
}: {
  onInsert: (kind: Kind) => void
  disabled: boolean
  behind: string | undefined
}) {
  const t = useWords(words)
  const bar = useRef<HTMLDivElement>(null)
  const move = (event: KeyboardEvent) => {
    const by = ['ArrowDown', 'ArrowRight'].includes(event.key)
      ? 1
      : ['ArrowUp', 'ArrowLeft'].includes(event.key)
        ? -1
        : 0
    if (!by) return
    const all = [...(bar.current?.querySelectorAll<HTMLElement>('button') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    all[(at + by + all.length) % all.length]?.focus()
    event.preventDefault()
  }
  return (
    <div
      ref={bar}
      className={classes['palette']}
      role="toolbar"
      aria-orientation="vertical"
      aria-label={t('palette')}
      onKeyDown={move}
    >
      {kinds.map((kind) => {
        const what =
          behind === undefined
            ? t('insertEnd', { kind: t(`kind_${kind}`) })
            : t('insertAfter', { kind: t(`kind_${kind}`), step: behind })
        return (
          <button
            key={kind}
            type="button"
            className={classes['brick']}
            draggable={!disabled}
            disabled={disabled}
            data-kind={kind}
            title={what}
            aria-label={what}
            onDragStart={(event) => {
              event.dataTransfer.setData(dragType, kind)
              event.dataTransfer.effectAllowed = 'copy'
            }}
            onClick={() => onInsert(kind)}
          >
            <Icon path={iconOfKind(kind)} size={15} />
            <span>{t(`kind_${kind}`)}</span>
          </button>
        )
      })}
    </div>
  )
}
