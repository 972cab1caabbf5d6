// HTML from templates: values are escaped unless they say that they are HTML already.

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

class Raw {
  constructor(readonly text: string) {}
}

/** Marks HTML that this program made itself. */
export function raw(text: string): Raw {
  return new Raw(text);
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

export function html(parts: TemplateStringsArray, ...values: (Raw | string | number)[]): string {
  return parts.reduce((text, part, index) => {
    const value = values[index - 1]!;
    return text + (value instanceof Raw ? value.text : escapeHtml(String(value))) + part;
  });
}
