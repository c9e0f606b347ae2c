// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"
)

// The plot is drawn in units of its viewBox. Colours come from the stylesheet, by
// class.
const (
	plotWidth, plotHeight = 760.0, 404.0
	plotLeft, plotRight   = 34.0, 752.0
	barsTop, barsBottom   = 28.0, 276.0
	shadeTop, shadeBottom = 318.0, 372.0
	columnWidth           = (plotRight - plotLeft) / months
)

// plot is the drawing of an overview: above, a bar a month for the pairs that end
// in it; below, as a shaded area, the pairs whose renewal window is open.
type plot struct {
	Width, Height         float64
	Left, Right, Now      float64
	BarsTop, BarsBottom   float64
	ShadeTop, ShadeBottom float64
	WindowEnds            float64 // what ends left of here can be renewed now
	Bars                  []bar
	Lines                 []line
	Ticks                 []tick
	Shade                 string // an SVG path
	MostOpen              int
	MostOpenY             float64
}

// bar is a month's column: the part to be renewed, and on top the part that is
// replaced already.
type bar struct {
	X, Width                  float64
	Y, Height                 float64
	ReplacedY, ReplacedHeight float64
	Label                     string
}

// line is a line of the scale.
type line struct {
	Y     float64
	Label int
}

// tick is a month's name below the columns.
type tick struct {
	X     float64
	Label string
	Year  bool
}

func draw(o *overview, window time.Duration) plot {
	p := plot{
		Width: plotWidth, Height: plotHeight, Left: plotLeft, Right: plotRight,
		BarsTop: barsTop, BarsBottom: barsBottom, ShadeTop: shadeTop, ShadeBottom: shadeBottom,
	}
	p.Now, p.WindowEnds = place(o, o.Now), place(o, o.Now.Add(window))
	most := 1
	for _, m := range o.Months {
		most = max(most, m.All())
		p.MostOpen = max(p.MostOpen, m.Open)
	}
	step, top := scale(most)
	height := func(n int) float64 { return (barsBottom - barsTop) * float64(n) / float64(top) }
	for n := 0; n <= top; n += step {
		p.Lines = append(p.Lines, line{barsBottom - height(n), n})
	}
	for i, m := range o.Months {
		x := plotLeft + float64(i)*columnWidth
		if m.All() > 0 {
			ends, replaced := height(m.Ends), height(m.Replaced)
			p.Bars = append(p.Bars, bar{
				X: x + columnWidth*0.15, Width: columnWidth * 0.7, Y: barsBottom - ends, Height: ends,
				ReplacedY: barsBottom - ends - replaced, ReplacedHeight: replaced,
				Label: fmt.Sprintf("%s: %d to be renewed, %d replaced already", m.Begins.Format("January 2006"), m.Ends, m.Replaced),
			})
		}
		switch m.Begins.Month() {
		case time.January:
			p.Ticks = append(p.Ticks, tick{x + columnWidth/2, m.Begins.Format("Jan 2006"), true})
		case time.April, time.July, time.October:
			p.Ticks = append(p.Ticks, tick{x + columnWidth/2, m.Begins.Format("Jan"), false})
		}
	}
	p.Shade, p.MostOpenY = shade(o, p.MostOpen)
	return p
}

// place is where an instant stands, to the day, in its month's column.
func place(o *overview, t time.Time) float64 {
	i := monthsBetween(o.Months[0].Begins, t)
	begins := o.Months[0].Begins.AddDate(0, i, 0)
	part := float64(t.Sub(begins)) / float64(begins.AddDate(0, 1, 0).Sub(begins))
	return min(plotRight, plotLeft+(float64(i)+part)*columnWidth)
}

// scale chooses the distance of the lines and the highest.
func scale(most int) (step, top int) {
	for size := 1; ; size *= 10 {
		for _, n := range []int{1, 2, 5} {
			if step = n * size; most <= 5*step {
				return step, (most + step - 1) / step * step
			}
		}
	}
}

// shade is the outline of the area, a step a month.
func shade(o *overview, most int) (path string, y float64) {
	path = fmt.Sprintf("M%.1f %.1f", plotLeft, shadeBottom)
	for i, m := range o.Months {
		y := shadeBottom - (shadeBottom-shadeTop)*float64(m.Open)/float64(max(1, most))
		path += fmt.Sprintf("V%.1fH%.1f", y, plotLeft+float64(i+1)*columnWidth)
	}
	return path + fmt.Sprintf("V%.1fZ", shadeBottom), shadeTop
}
