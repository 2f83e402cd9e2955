import { Button, Tooltip, type ButtonProps } from '@mantine/core'
import { useMay, type Role } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { words } from './words.ts'

export interface MayButtonProps extends ButtonProps {
  /** The role that the request behind the button needs. */
  role: Role
  /** Why it cannot be done now, in words; empty or absent if it can. */
  reason?: string | undefined
  onClick?: () => void
  /** Of a form: submit sends it. */
  type?: 'button' | 'submit'
}

/** MayButton is a button that says why it is disabled. It stays focusable then, so that the reason can be read by
 * keyboard and screen reader. */
export function MayButton({ role, reason, onClick, children, ...rest }: MayButtonProps) {
  const t = useWords(words)
  const may = useMay(role)
  const why = may ? reason : t('needsRole', { role })
  if (!why) {
    return (
      <Button {...rest} onClick={onClick}>
        {children}
      </Button>
    )
  }
  return (
    <Tooltip label={why} multiline maw={320} events={{ hover: true, focus: true, touch: true }}>
      <Button {...rest} data-disabled aria-disabled="true" onClick={(event) => event.preventDefault()}>
        {children}
      </Button>
    </Tooltip>
  )
}
